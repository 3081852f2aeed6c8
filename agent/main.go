// The Amazon ECS container agent.
package main

import (
	"os"

	"github.com/aws/amazon-ecs-agent/agent/app"
)

func main() { os.Exit(app.Main(os.Args[1:])) }
