"""Container images as immutable values; this room decides bytes and touches no network.

Vocabulary (https://github.com/opencontainers/image-spec):

- *layer*: a tar archive of files, kept compressed. Its *digest* is the hash of the compressed bytes, its *diff id*
  the hash of the uncompressed archive. Layers are listed oldest first.
- *config*: JSON that says how to run the image and lists the diff ids and the history.
- *manifest*: JSON that lists config and layers by descriptor (media type, digest, size). The digest of an image is
  the hash of its manifest's bytes.
- *index*: JSON that lists one manifest for each platform.
- *artifact*: a manifest whose config is the empty JSON object; it carries files that are not an image.

One rule: every function takes values and returns a value. Nothing is edited in place, and equal inputs give equal
bytes: no clock, umask, hash seed or directory order gets in. Reading and writing happens only through file objects
which the caller supplies. Sources and sinks (registry, layout on disk) live in ``mayfly.registry``.
"""
