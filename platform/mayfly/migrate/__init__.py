"""Read what other platforms deploy from, and say which Function each becomes and what is lost on the way.

Vocabulary:
    Node      a piece of an input file with its path, its line and the text as it was written.
    Ledger    what became of every field: carried, changed, or not carried.
    Draft     a Function that is being written, with its ledger.
    Reader    one format's way from nodes to drafts; ``formats`` lists them.

The one rule: files come in as bytes and nothing of them is run, imported or fetched; values that look like secrets go
neither into a manifest nor into a report.
"""
