package mapping

import (
	"errors"
	"strings"
)

// links make other containers of the task reachable under a name, by their Docker names.
func links(b *build) error {
	for _, link := range b.c.Links {
		name, alias, aliased := strings.Cut(link, ":")
		if strings.Contains(alias, ":") {
			//lint:ignore ST1005 the text users see
			return errors.New("Invalid link format")
		}
		if !aliased {
			alias = name
		}
		target, err := b.runtimeName(name, "Link")
		if err != nil {
			return err
		}
		b.HostConfig.Links = append(b.HostConfig.Links, target+":"+alias)
	}
	return nil
}

// volumesFrom mounts what other containers of the task have mounted.
func volumesFrom(b *build) error {
	for _, v := range b.c.VolumesFrom {
		source, err := b.runtimeName(v.SourceContainer, "Volume")
		if err != nil {
			return err
		}
		if v.ReadOnly {
			source += ":ro"
		}
		b.HostConfig.VolumesFrom = append(b.HostConfig.VolumesFrom, source)
	}
	return nil
}
