"""Infrastructure on AWS as constructs of the AWS CDK (extra `deploy`)."""
