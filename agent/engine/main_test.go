package engine

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

func TestMain(m *testing.M) {
	logger.Setup(logger.Options{DriverLevel: logger.LevelOff, Driver: os.Stdout})
	goleak.VerifyTestMain(m)
}
