def lambda_handler(event, context):
    return {"statusCode": 201}


def secured(event, context):
    return {"statusCode": 200}
