package registration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// TagReader reads the tags of an EC2 instance.
type TagReader interface {
	DescribeInstanceTags(ctx context.Context, instanceID string) (map[string]string, error)
}

// instanceTags are the configured tags and, when wanted, those of the EC2 instance. The configured value of a key wins. Nil
// when there are none.
func instanceTags(ctx context.Context, cfg *config.Config, md Metadata, ec2 TagReader) ([]ecsapi.Tag, error) {
	all := map[string]string{}
	if cfg.ContainerInstancePropagateTagsFrom == config.PropagateTagsFromEC2Instance {
		id, err := InstanceID(ctx, md)
		if err != nil {
			return nil, fmt.Errorf("tags of the EC2 instance (ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM): get instance id: %w", err)
		}
		fromEC2, err := ec2.DescribeInstanceTags(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("tags of the EC2 instance (ECS_CONTAINER_INSTANCE_PROPAGATE_TAGS_FROM): %w", err)
		}
		maps.Copy(all, fromEC2)
	}
	maps.Copy(all, cfg.ContainerInstanceTags)

	var tags []ecsapi.Tag
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if reserved(key) || reserved(all[key]) {
			if _, configured := cfg.ContainerInstanceTags[key]; configured {
				logger.Warn("Leaving out a tag of ECS_CONTAINER_INSTANCE_TAGS: the prefix aws: is reserved", logger.F("key", key))
			}
			continue
		}
		tags = append(tags, ecsapi.Tag{Key: key, Value: all[key]})
	}
	return tags, nil
}

// reserved reports whether AWS keeps s for itself.
func reserved(s string) bool { return len(s) >= 4 && strings.EqualFold(s[:4], "aws:") }
