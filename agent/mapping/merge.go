package mapping

import (
	"encoding/json"
	"fmt"
)

// The service sends Docker settings that need no rule of their own as JSON for Docker's two configuration objects. They
// are decoded over what the mapping computed: scalars and arrays replace, maps and nested objects merge by key, null
// clears what can be empty, names match in any case, unknown names are ignored. encoding/json works exactly so.

// rawHostConfig decodes the raw host config over the computed one.
func rawHostConfig(b *build) error {
	if raw := b.c.DockerConfig.HostConfig; raw != nil {
		if err := json.Unmarshal([]byte(*raw), b.HostConfig); err != nil {
			//lint:ignore ST1005 the text users see
			return fmt.Errorf("Unable to decode given host config: %w", err)
		}
	}
	return nil
}

// rawConfig decodes the raw config over the computed one.
func rawConfig(b *build) error {
	if raw := b.c.DockerConfig.Config; raw != nil {
		if err := json.Unmarshal([]byte(*raw), b.Config); err != nil {
			//lint:ignore ST1005 the text users see
			return fmt.Errorf("Unable decode given docker config: %w", err)
		}
	}
	return nil
}
