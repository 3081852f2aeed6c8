package registration

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// CloudInitResult is where cloud-init leaves its result; ecs-init mounts it into the agent's container.
const CloudInitResult = "/var/lib/cloud/data/result.json"

const cloudInitFailed = "Cloud-init failure detected: cloud-init used DataSourceNone and userdata exists on IMDS but was never executed. Userdata was not executed during instance boot. Refusing to start with potentially incorrect config."

// CheckCloudInit fails when the instance has user data that was never executed: its configuration, perhaps the cluster,
// would be missing. Whatever cannot be found out passes. The error is a terminal [*ExitError].
func CheckCloudInit(ctx context.Context, md Metadata, resultFile string) error {
	text, err := os.ReadFile(resultFile)
	if err != nil {
		logger.Debug("Skipping the cloud-init check", logger.Err(err))
		return nil
	}
	var result struct {
		V1 struct {
			DataSource string `json:"datasource"`
		} `json:"v1"`
	}
	if err := json.Unmarshal(text, &result); err != nil {
		logger.Warn("Skipping the cloud-init check: its result cannot be read", logger.F("file", resultFile), logger.Err(err))
		return nil
	}
	if result.V1.DataSource != "DataSourceNone" {
		return nil
	}
	userData, err := md.Get(ctx, pathUserData)
	if err != nil || userData == "" {
		logger.Info("cloud-init had no data source, and there is no user data it could have missed")
		return nil
	}
	logger.Critical(cloudInitFailed)
	//lint:ignore ST1005 users know this text
	return terminal(errors.New(cloudInitFailed))
}
