package docker

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// Sizes of the buffer for one statistics object: it grows with the number of CPUs and network interfaces.
const (
	statsBuffer    = 4 << 10
	statsBufferMax = 1 << 20
)

var errStatsInactive = errors.New("inactivity")

// StreamStats delivers the statistics of a container, one JSON object (Docker's stats format) about every second, until
// the stream ends; that is no error. Nothing for 18 seconds (noticed within twice that) is one. The bytes are only
// valid during the call; an error of deliver ends the stream and is given back.
func (c *Client) StreamStats(ctx context.Context, id string, deliver func(object []byte) error) error {
	if err := checkRef(id); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	inactive := fmt.Errorf("DockerGoClient: inactivity time exceeded timeout while retrieving stats for container %s", id)
	err := c.streamStats(ctx, id, func() { cancel(errStatsInactive) }, deliver)
	if err != nil && context.Cause(ctx) == errStatsInactive {
		return inactive
	}
	return err
}

func (c *Client) streamStats(ctx context.Context, id string, silent func(), deliver func([]byte) error) error {
	first := watchReads(nil, statsLimit, silent) // until the daemon answers
	answer, err := c.api.ContainerStats(ctx, id, true)
	first.stop()
	if err != nil {
		return fmt.Errorf("DockerGoClient: Unable to retrieve stats for container %s: %w", id, err)
	}
	defer answer.Body.Close()
	stream := watchReads(answer.Body, statsLimit, silent)
	defer stream.stop()
	// Docker writes one object per line.
	lines := bufio.NewScanner(stream)
	lines.Buffer(make([]byte, 0, statsBuffer), statsBufferMax)
	for lines.Scan() {
		if err := deliver(lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("DockerGoClient: Unable to decode stats for container %s: %w", id, err)
	}
	return nil
}

// Stats gives one statistics object of a container (Docker's stats format). It takes the daemon one to two seconds.
func (c *Client) Stats(ctx context.Context, id string) ([]byte, error) {
	if err := checkRef(id); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, statsLimit)
	defer cancel()
	object, err := c.stats(limited, id)
	if err != nil && ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("DockerGoClient: timed out retrieving stats for container %s", id)
	}
	return object, err
}

func (c *Client) stats(ctx context.Context, id string) ([]byte, error) {
	answer, err := c.api.ContainerStats(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("DockerGoClient: Unable to retrieve stats for container %s: %w", id, err)
	}
	defer answer.Body.Close()
	object, err := io.ReadAll(io.LimitReader(answer.Body, statsBufferMax))
	if err != nil {
		return nil, fmt.Errorf("DockerGoClient: Unable to decode stats for container %s: %w", id, err)
	}
	return object, nil
}
