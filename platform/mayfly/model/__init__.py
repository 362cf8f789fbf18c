"""The Function, its parts, its status, and every derived name: values only.

Vocabulary: *Function* is the custom resource; *source* says where code comes from; *signature* is the calling
convention of a handler; *condition* is one line of status with a reason. One rule: nothing here does input or output.
The CRD in ``charts/mayfly/crds`` is generated from this room.
"""
