package imds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Paths of values with a method of their own.
const (
	pathUserData        = "user-data"
	pathPlacementRegion = "meta-data/placement/region"
	pathDocument        = "dynamic/instance-identity/document"
)

// constant reports whether the value at path cannot change while the instance runs.
func constant(path string) bool {
	switch path {
	case "meta-data/instance-id", "meta-data/mac", "meta-data/placement/availability-zone-id", pathPlacementRegion, pathUserData:
		return true
	}
	_, ofInterface, found := strings.Cut(path, "meta-data/network/interfaces/macs/")
	return found && (strings.HasSuffix(ofInterface, "/vpc-id") || strings.HasSuffix(ofInterface, "/subnet-id"))
}

// UserData returns the user data as it is. 404 when the instance has none.
func (c *Client) UserData(ctx context.Context) (string, error) { return c.Get(ctx, pathUserData) }

// PlacementRegion returns the region without the identity document.
func (c *Client) PlacementRegion(ctx context.Context) (string, error) {
	text, err := c.Get(ctx, pathPlacementRegion)
	return strings.TrimSpace(text), err
}

// IdentityRegion returns the region of the instance identity document, an error when it has none. It is kept; the document
// is not, because who it identifies is asked for anew with each registration.
func (c *Client) IdentityRegion(ctx context.Context) (string, error) {
	const key = pathDocument + "#region"
	if region, ok := c.kept(key); ok {
		return region, nil
	}
	text, err := c.Get(ctx, pathDocument)
	if err != nil {
		return "", err
	}
	var document struct {
		Region string `json:"region"`
	}
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return "", fmt.Errorf("instance identity document: %w", err)
	}
	if document.Region == "" {
		return "", errors.New("instance identity document: no region")
	}
	c.keep(key, document.Region)
	return document.Region, nil
}
