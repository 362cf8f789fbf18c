"""Requests that are events, and requests that are not: one table for each mode."""

from __future__ import annotations

import json

BINARY = (("ce-specversion", "1.0"), ("ce-id", "a-1"), ("ce-source", "/shop/orders"), ("ce-type", "com.shop.order"))
STRUCTURED = {"specversion": "1.0", "id": "a-1", "source": "/shop/orders", "type": "com.shop.order"}
JSON_TYPE = "application/cloudevents+json"
BATCH_TYPE = "application/cloudevents-batch+json"


def make_binary(*more, without=(), **changed):
    """Return the headers of a sound request with some added, left out or changed."""
    headers = [(name, changed.get(name[3:], value)) for name, value in BINARY if name[3:] not in without]
    return [*headers, *((f"ce-{name}", value) for name, value in changed.items() if name not in STRUCTURED), *more]


def make_structured(without=(), **changed):
    """Return the body of a sound structured event with some members left out, added or changed."""
    return json.dumps(
        {name: value for name, value in {**STRUCTURED, **changed}.items() if name not in without}
    ).encode()


def splice(text):
    """Return the body of a sound structured event with ``text`` as further members."""
    return make_structured()[:-1] + b", " + text.encode() + b"}"


# name -> headers, body; attributes beyond the four, data
GOOD_BINARY = {
    "the least": (make_binary(), b"", {}, None),
    "data without a type": (make_binary(), b"\x00\xff", {}, b"\x00\xff"),
    "broken JSON is the function's business": (
        make_binary(("Content-Type", "application/json")),
        b'{"a":',
        {"datacontenttype": "application/json"},
        b'{"a":',
    ),
    "names in capitals": (make_binary(("CE-Subject", "x")), b"", {"subject": "x"}, None),
    "type with parameters": (
        make_binary(("content-type", 'Text/Plain; charset="utf-8"; a=b')),
        b"x",
        {"datacontenttype": 'Text/Plain; charset="utf-8"; a=b'},
        b"x",
    ),
    "percent-encoded": (
        make_binary(subject="Euro%20%E2%82%AC%20%F0%9F%98%80"),
        b"",
        {"subject": "Euro € 😀"},
        None,
    ),
    "percent in lower case": (make_binary(subject="%e2%82%ac"), b"", {"subject": "€"}, None),
    "percent itself, once": (make_binary(subject="100%2525"), b"", {"subject": "100%25"}, None),
    "needless percent": (make_binary(subject="%41%2f"), b"", {"subject": "A/"}, None),
    "blanks inside": (make_binary(subject="a b"), b"", {"subject": "a b"}, None),
    "blanks around": (make_binary(subject=" \ta \t"), b"", {"subject": "a"}, None),
    "old double quotes": (make_binary(subject='"a \\"b\\" c"'), b"", {"subject": 'a "b" c'}, None),
    "quotes inside": (make_binary(subject='a"b"'), b"", {"subject": 'a"b"'}, None),
    "quotes, then percent": (make_binary(subject='"a%20b"'), b"", {"subject": "a b"}, None),
    "time with nanoseconds": (
        make_binary(time="2018-04-05T17:31:00.123456789+02:00"),
        b"",
        {"time": "2018-04-05T17:31:00.123456789+02:00"},
        None,
    ),
    "time in small letters": (make_binary(time="2018-04-05t17:31:00z"), b"", {"time": "2018-04-05t17:31:00z"}, None),
    "leap second": (make_binary(time="2016-12-31T23:59:60Z"), b"", {"time": "2016-12-31T23:59:60Z"}, None),
    "leap day": (make_binary(time="2024-02-29T00:00:00Z"), b"", {"time": "2024-02-29T00:00:00Z"}, None),
    "schema": (
        make_binary(dataschema="https://s.example/o.json"),
        b"",
        {"dataschema": "https://s.example/o.json"},
        None,
    ),
    "schema with a fragment": (
        make_binary(dataschema="https://s.example/o#v1"),
        b"",
        {"dataschema": "https://s.example/o#v1"},
        None,
    ),
    "schema as URN": (make_binary(dataschema="urn:schema:1"), b"", {"dataschema": "urn:schema:1"}, None),
    "long name": (make_binary(a23456789012345678901="x"), b"", {"a23456789012345678901": "x"}, None),
    "empty extension": (make_binary(tenant=""), b"", {"tenant": ""}, None),
    "digits first": (make_binary(("ce-1a", "x")), b"", {"1a": "x"}, None),
    "foreign headers": (make_binary(("x-ce-id", "no"), ("cerealize", "no"), ("host", "x")), b"", {}, None),
    "other Content-Type with a similar name": (
        make_binary(("content-type", "application/vnd.cloudevents")),
        b"x",
        {"datacontenttype": "application/vnd.cloudevents"},
        b"x",
    ),
}

SOURCES = [
    "https://github.com/cloudevents/spec/pull/123",
    "mailto:cncf-wg-serverless@lists.cncf.io",
    "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
    "cloudevents/spec/pull/123",
    "/sensors/tn-1234567/alerts",
    "1-555-123-4567",
    "//host:80/path?query#fragment",
    "http://[::1]:8080/",
    "?q",
    "#f",
    "a:b",
    "./1:2",
    "%41",
]
BAD_SOURCES = ["", "a b", "a\\b", "1:2", ":x", "%4", "%zz", "a#b#c", "http://[::1", "<x>", "é", "a^b", "http://a]"]

# name -> headers, body, what the error says
BAD_BINARY = {
    "nothing": ([], b"", "the request is no event"),
    "JSON without headers": ([("content-type", "application/json")], b"{}", "the request is no event"),
    "no id": (make_binary(without=("id",)), b"", "attribute id is missing"),
    "no source": (make_binary(without=("source",)), b"", "attribute source is missing"),
    "no type": (make_binary(without=("type",)), b"", "attribute type is missing"),
    "no specversion": (make_binary(without=("specversion",)), b"", "attribute specversion is missing"),
    "0.3": (make_binary(specversion="0.3"), b"", "specversion 0.3 is a draft"),
    "2.0": (make_binary(specversion="2.0"), b"", "specversion '2.0' is not known"),
    "1": (make_binary(specversion="1"), b"", "specversion '1' is not known"),
    "empty id": (make_binary(id=""), b"", "attribute id is empty"),
    "blank id": (make_binary(id=" "), b"", "attribute id is empty"),
    "empty type": (make_binary(type=""), b"", "attribute type is empty"),
    "empty subject": (make_binary(subject=""), b"", "attribute subject is empty"),
    "empty time": (make_binary(time=""), b"", "attribute time = '' is not an instant"),
    "time in words": (make_binary(time="yesterday"), b"", "time = 'yesterday' is not an instant of RFC 3339"),
    "time without zone": (make_binary(time="2018-04-05T17:31:00"), b"", "not an instant"),
    "time with a blank": (make_binary(time="2018-04-05 17:31:00Z"), b"", "not an instant"),
    "31 February": (make_binary(time="2018-02-31T17:31:00Z"), b"", "not an instant"),
    "year 0": (make_binary(time="0000-01-01T00:00:00Z"), b"", "not an instant"),
    "24 o'clock": (make_binary(time="2018-02-01T24:00:00Z"), b"", "not an instant"),
    "other digits": (make_binary(time="%D9%A2018-04-05T17:31:00Z"), b"", "not an instant"),
    "schema relative": (
        make_binary(dataschema="/order.json"),
        b"",
        "dataschema = '/order.json' is not an absolute URI",
    ),
    "schema empty": (make_binary(dataschema=""), b"", "not an absolute URI"),
    "type of data": (make_binary(("content-type", "json")), b"", "datacontenttype = 'json' is not a media type"),
    "type of data empty": (make_binary(("content-type", "")), b"", "not a media type"),
    "type of data twice": (
        make_binary(("content-type", "a/b"), ("Content-Type", "a/b")),
        b"",
        "Content-Type is given twice",
    ),
    "ce-datacontenttype": (make_binary(datacontenttype="text/plain"), b"", "ce-datacontenttype is not allowed"),
    "ce-data": (make_binary(data="x"), b"", "data is reserved"),
    "ce-data_base64": (make_binary(data_base64="x"), b"", "attribute name 'data_base64'"),
    "no name": (make_binary(("ce-", "x")), b"", "attribute name ''"),
    "dash": (make_binary(("ce-my-ext", "x")), b"", "attribute name 'my-ext': names consist of"),
    "name beyond bounds": (make_binary(("ce-" + "a" * 65, "x")), b"", "at most 64, and 20 are advised"),
    "twice": (make_binary(("CE-ID", "b")), b"", "header ce-id is given twice"),
    "twice the same": (make_binary(("ce-id", "a-1")), b"", "header ce-id is given twice"),
    "raw UTF-8": (make_binary(subject="â\x82¬"), b"", "percent-encoded UTF-8"),
    "control character": (make_binary(subject="a\x01b"), b"", "percent-encoded UTF-8"),
    "line break": (make_binary(subject="a\r\nb"), b"", "percent-encoded UTF-8"),
    "encoded line break": (make_binary(subject="a%0D%0Ab"), b"", "character U+000D at 1 is not allowed"),
    "encoded NUL": (make_binary(id="%00"), b"", "character U+0000 at 0"),
    "C1 control": (make_binary(subject="%C2%85"), b"", "character U+0085"),
    "noncharacter": (make_binary(subject="%EF%BF%BF"), b"", "character U+FFFF"),
    "noncharacter of another plane": (make_binary(subject="%F0%9F%BF%BE"), b"", "character U+1FFFE"),
    "overlong": (make_binary(subject="%C0%A0"), b"", "two hexadecimal digits of a byte of UTF-8"),
    "surrogate": (make_binary(subject="%ED%A0%80"), b"", "of a byte of UTF-8"),
    "half a character": (make_binary(subject="%E2%82"), b"", "of a byte of UTF-8"),
    "percent alone": (make_binary(subject="100%"), b"", "% itself is %25"),
    "percent and letters": (make_binary(subject="%zz"), b"", "% itself is %25"),
    "open quote": (make_binary(subject='"a'), b"", "the double quotes do not pair"),
    "long value": (make_binary(subject="x" * 4097), b"", "has 4097 characters; at most 4096"),
    "long together": (make_binary(**{f"a{n}": "x" * 4096 for n in range(5)}), b"", "at most 16384"),
    "many": (make_binary(**{f"a{n}": "x" for n in range(61)}), b"", "65 attributes; an event has at most 64"),
    "2 MB": (make_binary(), b"x" * 2_000_000, "data has 2000000 bytes; at most 1048576"),
    "avro": (make_binary(("content-type", "application/cloudevents+avro")), b"", "is not read here"),
    "no format": (make_binary(("content-type", "application/cloudevents")), b"", "is not read here"),
    "similar": (make_binary(("content-type", "application/cloudevents+jsonx")), b"", "is not read here"),
}

# name -> body; attributes beyond the four, data
GOOD_STRUCTURED = {
    "the least": (make_structured(), {}, None),
    "blanks and a type": (
        b' \r\n\t{"specversion" : "1.0" , "id":"a-1","source":"\\/shop/orders","type":"com.shop.order"\n}\n ',
        {},
        None,
    ),
    "JSON data gets its type": (
        splice('"data": {"b": 1, "a": [ ]}'),
        {"datacontenttype": "application/json"},
        b'{"b": 1, "a": [ ]}',
    ),
    "numbers as they stand": (
        splice('"data": [1.10, 1e400, 12345678901234567890123, -0]'),
        {"datacontenttype": "application/json"},
        b"[1.10, 1e400, 12345678901234567890123, -0]",
    ),
    "a million digits": (
        splice('"data": ' + "9" * 1_000_000),
        {"datacontenttype": "application/json"},
        b"9" * 1_000_000,
    ),
    "a string of JSON": (splice('"data": "a\\u00e9"'), {"datacontenttype": "application/json"}, b'"a\\u00e9"'),
    "an empty string of JSON": (splice('"data": ""'), {"datacontenttype": "application/json"}, b'""'),
    "half a pair in data": (splice('"data": "\\ud800"'), {"datacontenttype": "application/json"}, b'"\\ud800"'),
    "names twice in data": (splice('"data": {"a":1,"a":2}'), {"datacontenttype": "application/json"}, b'{"a":1,"a":2}'),
    "false": (splice('"data": false'), {"datacontenttype": "application/json"}, b"false"),
    "null is absent": (make_structured(data=None, subject=None, tenant=None), {}, None),
    "+json": (
        splice('"datacontenttype":"application/vnd.x+json","data":{}'),
        {"datacontenttype": "application/vnd.x+json"},
        b"{}",
    ),
    "text": (
        splice('"datacontenttype":"text/xml","data":"<a>\\u20ac</a>"'),
        {"datacontenttype": "text/xml"},
        "<a>€</a>".encode(),
    ),
    "text in latin-1": (
        splice('"datacontenttype":"text/plain; charset=ISO-8859-1","data":"é"'),
        {"datacontenttype": "text/plain; charset=ISO-8859-1"},
        b"\xe9",
    ),
    "empty text is none": (splice('"datacontenttype":"text/plain","data":""'), {"datacontenttype": "text/plain"}, None),
    "base64": (splice('"data_base64":"AP8="'), {}, b"\x00\xff"),
    "base64 of a type": (
        splice('"datacontenttype":"image/png","data_base64":"AP8="'),
        {"datacontenttype": "image/png"},
        b"\x00\xff",
    ),
    "base64 beside null": (splice('"data":null,"data_base64":"AP8="'), {}, b"\x00\xff"),
    "integer": (splice('"count": -2147483648'), {"count": "-2147483648"}, None),
    "truth": (splice('"flag": true, "other": false'), {"flag": "true", "other": "false"}, None),
    "escapes": (splice('"subject":"\\ud83d\\ude00\\/"'), {"subject": "😀/"}, None),
    "braces in strings": (splice('"subject":"' + "[{" * 100 + '"'), {"subject": "[{" * 100}, None),
    "quotes and braces": (splice('"subject":"' + '\\"[' * 100 + '"'), {"subject": '"[' * 100}, None),
    "deep enough": (
        splice('"data":' + "[" * 63 + "]" * 63),
        {"datacontenttype": "application/json"},
        b"[" * 63 + b"]" * 63,
    ),
    "wide": (
        splice('"data":[' + "[]," * 1000 + "[]]"),
        {"datacontenttype": "application/json"},
        b"[" + b"[]," * 1000 + b"[]]",
    ),
}

BAD_STRUCTURED = {
    "nothing": (b"", "is not a JSON object"),
    "blank": (b"  ", "is not a JSON object"),
    "array": (b"[]", "an array of events is sent as application/cloudevents-batch+json"),
    "string": (b'"x"', "is not a JSON object"),
    "byte order mark": (b"\xef\xbb\xbf{}", "is not a JSON object"),
    "UTF-16": ("{}".encode("utf-16"), "not UTF-8"),
    "broken UTF-8": (b'{"id":"\xff"}', "byte 0xff at 7"),
    "overlong UTF-8": (b'{"id":"\xc0\xa0"}', "not UTF-8"),
    "no attributes": (b"{}", "attribute specversion is missing"),
    "no id": (make_structured(without=("id",)), "attribute id is missing"),
    "id null": (make_structured(id=None), "attribute id is missing"),
    "id a number": (make_structured(id=1), "attribute id = '1' is a JSON string"),
    "time a number": (make_structured(time=1), "attribute time = '1' is a JSON string"),
    "specversion a number": (make_structured(specversion=1.0), "specversion = '1.0' is a JSON string"),
    "0.3": (make_structured(specversion="0.3"), "draft of CloudEvents"),
    "capitals": (make_structured(Subject="x"), "attribute name 'Subject': names consist of"),
    "underscore": (make_structured(my_ext="x"), "attribute name 'my_ext'"),
    "no name": (make_structured(**{"": "x"}), "attribute name ''"),
    "fraction": (make_structured(count=1.5), "count' = '1.5' is none of"),
    "exponent": (splice('"count":1e2'), "is none of"),
    "too large a number": (make_structured(count=2**31), "is none of"),
    "object": (make_structured(ext={}), "is none of"),
    "array as attribute": (make_structured(ext=[]), "is none of"),
    "half a pair": (splice('"subject":"\\ud800"'), "character U+D800"),
    "control": (splice('"subject":"\\u0000"'), "character U+0000"),
    "twice": (splice('"id":"b"'), "names 'id' twice"),
    "twice by escape": (splice('"\\u0069d":"b"'), "names 'id' twice"),
    "both datas": (splice('"data":1,"data_base64":"AA=="'), "data and data_base64 are both given"),
    "no base64": (splice('"data_base64":"?"'), "base64 (RFC 4648"),
    "base64 without padding": (splice('"data_base64":"AP8"'), "with its padding"),
    "base64 with blanks": (splice('"data_base64":"A P8="'), "with its padding"),
    "base64 a number": (splice('"data_base64":1'), "with its padding"),
    "base64 beyond ASCII": (splice('"data_base64":"é"'), "with its padding"),
    "object as text": (
        splice('"datacontenttype":"text/plain","data":{}'),
        "is JSON, but datacontenttype is 'text/plain'",
    ),
    "strange charset": (splice('"datacontenttype":"text/plain; charset=ebcdic","data":"x"'), "send data_base64"),
    "beyond charset": (splice('"datacontenttype":"text/plain; charset=us-ascii","data":"é"'), "send data_base64"),
    "half a pair as text": (splice('"datacontenttype":"text/plain","data":"\\ud800"'), "send data_base64"),
    "bad type of data": (splice('"datacontenttype":"text","data":"x"'), "not a media type"),
    "NaN": (splice('"data":NaN'), "NaN is not JSON"),
    "-Infinity": (splice('"data":[-Infinity]'), "-Infinity is not JSON"),
    "leading zero": (splice('"data":01'), "not JSON"),
    "single quotes": (b"{'id':1}", "a name in double quotes"),
    "comma at the end": (make_structured()[:-1] + b",}", "a name in double quotes"),
    "no comma": (make_structured()[:-1] + b' "data":1}', "where ',' belongs"),
    "no colon": (b'{"id" "x"}', "where ':' belongs"),
    "no value": (b'{"id":}', "where a value belongs"),
    "line break in a string": (b'{"id":"a\nb"}', "not JSON"),
    "cut off": (make_structured()[:-1], "the end at character"),
    "cut off in a name": (b'{"i', "not JSON"),
    "cut off in a value": (b'{"id":"', "not JSON"),
    "more behind": (make_structured() + b"x", "where the end belongs"),
    "two events": (make_structured() * 2, "where the end belongs"),
    "depth bomb": (b'{"data":' + b"[" * 100_000, "nested 100001 deep; at most 64"),
    "one too deep": (splice('"data":' + "[" * 64 + "]" * 64), "nested 65 deep; at most 64"),
    "objects too deep": (splice('"data":' + '{"a":' * 64 + "1" + "}" * 64), "nested 65 deep"),
    "2 MB": (splice('"data":"' + "x" * 2_000_000 + '"'), "bytes; at most 1572864"),
    "long data": (splice('"data":"' + "x" * 1_100_000 + '"'), "data has 1100002 bytes"),
}

ONE = make_structured()
GOOD_BATCH = {
    "empty": (b"[]", 0),
    "empty with blanks": (b" [ \n] ", 0),
    "one": (b"[" + ONE + b"]", 1),
    "two of the same": (b"[" + ONE + b" , " + ONE + b"]", 2),
    "as many as may be": (b"[" + b",".join([ONE] * 1000) + b"]", 1000),
    "as deep as may be": (b"[" + splice('"data":' + "[" * 63 + "]" * 63) + b"]", 1),
}
BAD_BATCH = {
    "nothing": (b"", "is not a JSON array"),
    "one event": (ONE, "one event is sent as application/cloudevents+json"),
    "not closed": (b"[", "the end at character 1"),
    "not closed after one": (b"[" + ONE, "where ',' belongs"),
    "comma at the end": (b"[" + ONE + b",]", "an event of the batch"),
    "number": (b"[1]", "an event of the batch"),
    "nested": (b"[[" + ONE + b"]]", "an event of the batch"),
    "null": (b"[null]", "an event of the batch"),
    "second bad": (b"[" + ONE + b",{}]", "event 1 of the batch, counted from 0: attribute specversion is missing"),
    "mixed versions": (b"[" + ONE + b"," + make_structured(specversion="0.3") + b"]", "event 1 of the batch"),
    "more behind": (b"[]]", "where the end belongs"),
    "too many": (b"[" + b",".join([ONE] * 1001) + b"]", "more than 1000 events"),
    "too large": (b"[" + b" " * 4 * 1024 * 1024 + b"]", "the batch has"),
    "one too large": (
        b"[" + splice('"data":"' + "x" * 1_700_000 + '"') + b"]",
        "event 0 of the batch, counted from 0: the event has",
    ),
    "depth bomb": (b"[" * 100_000, "nested 100000 deep; at most 65"),
}
