"""What Python's protobuf makes of messages: a line of JSON in, a line of JSON out.

In:  {"schema": hex of a FileDescriptorSet, "messages": [[type, hex]], "values": [JSON]}
Out: {"messages": [[what is in it, hex of it written anew]], "values": [hex of each as a google.protobuf.Value],
      "read": [the JSON of each message of the type google.protobuf.Value]}
"""

import json
import struct
import sys

from google.protobuf import descriptor_pb2, json_format, message_factory, struct_pb2


def plain(kind, value):
    if kind in (1, 2):
        return struct.pack("<d", value).hex()
    if kind == 12:
        return value.hex()
    if kind == 11:
        return shown(value)
    return value if isinstance(value, (bool, str)) else str(value)


def shown(message):
    members = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            key = lambda one: str(one).lower() if isinstance(one, bool) else str(one)
            kind = entry.fields_by_name["value"].type
            members[field.json_name] = {key(one): plain(kind, value[one]) for one in value}
        elif hasattr(value, "append") or hasattr(value, "add"):
            members[field.json_name] = [plain(field.type, item) for item in value]
        elif field.has_presence and not message.HasField(field.name):
            if field.containing_oneof is None:
                members[field.json_name] = None if entry is not None else plain(field.type, value)
        else:
            members[field.json_name] = plain(field.type, value)
    return members


request = json.loads(sys.stdin.readline())
files = descriptor_pb2.FileDescriptorSet.FromString(bytes.fromhex(request["schema"])).file
for file in files:
    if file.package == "legacy":
        file.syntax = "proto2"
classes = message_factory.GetMessages(files)
answer = {"messages": [], "values": [], "read": []}
for name, text in request["messages"]:
    if name == "google.protobuf.Value":
        answer["read"].append(json.loads(json_format.MessageToJson(struct_pb2.Value.FromString(bytes.fromhex(text)))))
        continue
    message = classes[name].FromString(bytes.fromhex(text))
    answer["messages"].append([shown(message), message.SerializeToString(deterministic=True).hex()])
for value in request["values"]:
    message = json_format.ParseDict(value, struct_pb2.Value())
    answer["values"].append(message.SerializeToString().hex())
print(json.dumps(answer))
