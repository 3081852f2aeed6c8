module github.com/aws/amazon-ecs-agent/misc/clients

go 1.26.0

require (
	github.com/aws/amazon-ecs-agent v0.0.0
	github.com/aws/aws-sdk-go-v2 v1.48.0
	github.com/aws/aws-sdk-go-v2/credentials v1.21.0
	github.com/aws/aws-sdk-go-v2/service/ecs v1.104.2
)

require (
	github.com/aws/aws-sdk-go-v2/internal/configsources v1.5.12 // indirect
	github.com/aws/aws-sdk-go-v2/internal/endpoints/v2 v2.8.12 // indirect
	github.com/aws/smithy-go v1.28.9 // indirect
	github.com/gorilla/websocket v1.5.3 // indirect
)

replace github.com/aws/amazon-ecs-agent => ../..
