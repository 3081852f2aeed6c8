package mapping

import (
	"encoding/json"
	"fmt"
)

// The service sends Docker settings that need no rule of their own as JSON for Docker's two configuration objects. They
// are decoded over what the mapping computed: scalars and arrays replace, maps and nested objects merge by key, null
// clears what can be empty, names match in any case, unknown names are ignored. encoding/json works so, but for lists of
// objects.

// rawHostConfig decodes the raw host config over the computed one.
func rawHostConfig(b *build) error {
	raw := b.c.DockerConfig.HostConfig
	if raw == nil {
		return nil
	}
	if len(b.HostConfig.DeviceRequests) > 0 {
		// Of lists of objects encoding/json would merge the elements.
		var given struct{ DeviceRequests json.RawMessage }
		if json.Unmarshal([]byte(*raw), &given) == nil && given.DeviceRequests != nil {
			b.HostConfig.DeviceRequests = nil
		}
	}
	if err := json.Unmarshal([]byte(*raw), b.HostConfig); err != nil {
		//lint:ignore ST1005 the text users see
		return fmt.Errorf("Unable to decode given host config: %w", err)
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
