"""CloudEvents SQL: expressions over the attributes of an event.

Source: https://github.com/cloudevents/spec/blob/main/cesql/spec.md (1.0). No Python library of it is maintained, so
this is our own: ``lexer`` (text to tokens), ``parser`` (tokens to a tree, with every type known), ``evaluate`` (a tree
to a function, once; then events to values).

Decisions where the text leaves a choice, or where two readings would quietly match different events:

- every attribute is a String, as in binary mode; casts do the rest (section 3.2);
- evaluation stops at the first error ("fail fast", section 4.1), whose value is the zero of the result's type;
- AND, OR and XOR next to each other need parentheses unless they are the same: engines disagree on which binds first;
- a function that does not exist, or takes another number of arguments, is refused when it is parsed, not at the event;
- arithmetic beyond 32 bits is a math error instead of wrapping around;
- text has at most ``parser.MAX_LENGTH`` characters and is nested at most ``parser.MAX_DEPTH`` deep.
"""
