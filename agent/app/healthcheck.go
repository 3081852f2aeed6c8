package app

import (
	"fmt"
	"net/http"
	"os"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// checkHealth asks the agent that runs on this host for a sign of life; any answer will do.
func checkHealth() int {
	url := config.HealthCheckURL(os.LookupEnv)
	client := &http.Client{Timeout: config.HealthCheckTimeout}
	response, err := client.Head(url)
	if err != nil {
		logger.Error(fmt.Sprintf("health check [HEAD %s] failed with error: %v", url, err))
		return exitError
	}
	_ = response.Body.Close()
	return exitSuccess
}
