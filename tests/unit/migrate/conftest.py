"""What people bring from elsewhere is read here, never imported."""

collect_ignore = ["inputs"]
