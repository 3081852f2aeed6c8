package imds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

const documentPath = "dynamic/instance-identity/document"

// InstanceID returns the EC2 instance id. Kept.
func (c *Client) InstanceID(ctx context.Context) (string, error) {
	return c.constantValue(ctx, "meta-data/instance-id")
}

// PrimaryMAC returns the MAC address of the primary network interface. Kept.
func (c *Client) PrimaryMAC(ctx context.Context) (string, error) {
	return c.constantValue(ctx, "meta-data/mac")
}

// VPCID returns the VPC of the interface with the MAC address. Kept.
func (c *Client) VPCID(ctx context.Context, mac string) (string, error) {
	return c.constantValue(ctx, "meta-data/network/interfaces/macs/"+mac+"/vpc-id")
}

// SubnetID returns the subnet of the interface with the MAC address. Kept.
func (c *Client) SubnetID(ctx context.Context, mac string) (string, error) {
	return c.constantValue(ctx, "meta-data/network/interfaces/macs/"+mac+"/subnet-id")
}

// AvailabilityZoneID returns the zone id, such as use1-az1. Kept.
func (c *Client) AvailabilityZoneID(ctx context.Context) (string, error) {
	return c.constantValue(ctx, "meta-data/placement/availability-zone-id")
}

// PlacementRegion returns the region without the identity document. Kept.
func (c *Client) PlacementRegion(ctx context.Context) (string, error) {
	return c.constantValue(ctx, "meta-data/placement/region")
}

// UserData returns the user data as it is. Kept. 404 when the instance has none.
func (c *Client) UserData(ctx context.Context) (string, error) {
	return c.constant(ctx, "user-data")
}

// IdentityDocument is the part of the instance identity document that is of use.
type IdentityDocument struct {
	Region           string `json:"region"`
	AvailabilityZone string `json:"availabilityZone"`
	AccountID        string `json:"accountId"`
	InstanceID       string `json:"instanceId"`
}

// IdentityDocument returns the parsed instance identity document. Kept.
func (c *Client) IdentityDocument(ctx context.Context) (IdentityDocument, error) {
	var doc IdentityDocument
	text, err := c.constant(ctx, documentPath)
	if err != nil {
		return doc, err
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		// Not an answer worth keeping.
		c.forget(documentPath)
		return IdentityDocument{}, fmt.Errorf("instance identity document: %w", err)
	}
	return doc, nil
}

func (c *Client) forget(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.cached, path)
}

// IdentityRegion returns the region of the identity document, an error when it has none. Kept.
func (c *Client) IdentityRegion(ctx context.Context) (string, error) {
	doc, err := c.IdentityDocument(ctx)
	if err == nil && doc.Region == "" {
		c.forget(documentPath)
		err = errors.New("instance identity document: no region")
	}
	return doc.Region, err
}

// RawIdentityDocument returns the identity document as it is, for the registration.
func (c *Client) RawIdentityDocument(ctx context.Context) (string, error) {
	return c.Get(ctx, documentPath)
}

// IdentitySignature returns the signature of the identity document as it is, for the registration.
func (c *Client) IdentitySignature(ctx context.Context) (string, error) {
	return c.Get(ctx, "dynamic/instance-identity/signature")
}

// LocalIPv4 returns the private IPv4 address of the host.
func (c *Client) LocalIPv4(ctx context.Context) (string, error) {
	return c.value(ctx, "meta-data/local-ipv4")
}

// PublicIPv4 returns the public IPv4 address of the host. 404 when it has none.
func (c *Client) PublicIPv4(ctx context.Context) (string, error) {
	return c.value(ctx, "meta-data/public-ipv4")
}

// IPv6 returns the IPv6 address of the host. 404 when it has none.
func (c *Client) IPv6(ctx context.Context) (string, error) {
	return c.value(ctx, "meta-data/ipv6")
}

// OutpostARN returns the Outpost the instance runs on. 404 when it runs in a region.
func (c *Client) OutpostARN(ctx context.Context) (string, error) {
	return c.value(ctx, "meta-data/outpost-arn")
}

// TargetLifecycleState returns the Auto Scaling state the instance is about to have: `InService`, `Warmed:Stopped`, …
// 404 when it is in no Auto Scaling group or the state is not known yet.
func (c *Client) TargetLifecycleState(ctx context.Context) (string, error) {
	return c.value(ctx, "meta-data/autoscaling/target-lifecycle-state")
}

// SpotAction is an announced interruption.
type SpotAction struct {
	// Action is `hibernate`, `terminate` or `stop`.
	Action string `json:"action"`
	// Time is when it will happen, as the service wrote it.
	Time string `json:"time"`
}

// ErrBadSpotAction marks an answer that is none of the announcements there are.
var ErrBadSpotAction = errors.New("unexpected spot instance action")

// SpotInstanceAction returns the announced interruption. An error that is ErrBadSpotAction tells about an answer worth
// logging; any other, normally 404, means that nothing is announced.
func (c *Client) SpotInstanceAction(ctx context.Context) (SpotAction, error) {
	text, err := c.Get(ctx, "meta-data/spot/instance-action")
	if err != nil {
		return SpotAction{}, err
	}
	var a SpotAction
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return SpotAction{}, fmt.Errorf("%w: %q: %v", ErrBadSpotAction, text, err)
	}
	switch a.Action {
	case "hibernate", "terminate", "stop":
		return a, nil
	}
	return SpotAction{}, fmt.Errorf("%w: %q", ErrBadSpotAction, a.Action)
}
