"""What CloudFormation cannot do by itself in a deploy: a Lambda function of the stack does it."""
