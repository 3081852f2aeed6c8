package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
)

var s3 = service{
	name: "S3", signing: "s3",
	endpoint: awsclient.EndpointQuery{Service: "S3", Host: s3Host},
	modelled: []string{"NoSuchKey", "InvalidObjectState"},
}

func s3Host(region string, fips, dualStack bool) string {
	host := "s3"
	if fips {
		host += "-fips"
	}
	if dualStack {
		host += ".dualstack"
	}
	return host + "." + region + "." + awsclient.RegionSuffix(region, false)
}

// fipsRegions are the regions in which Amazon S3 has FIPS endpoints.
var fipsRegions = []string{"us-east-1", "us-east-2", "us-west-1", "us-west-2", "us-gov-east-1", "us-gov-west-1", "ca-central-1", "ca-west-1"}

// objectARN is found anywhere in a text.
var objectARN = regexp.MustCompile(`arn:([^:]+):s3:::([^/]+)/(.+)`)

// ParseObjectARN gives bucket and key of "arn:<partition>:s3:::<bucket>/<key>".
func ParseObjectARN(arn string) (bucket, key string, err error) {
	parts := objectARN.FindStringSubmatch(arn)
	if parts == nil {
		return "", "", fmt.Errorf("invalid s3 arn: %s", arn)
	}
	return parts[2], parts[3], nil
}

// errNoBucketRegion says that an answer about a bucket lacks the one thing that was asked for.
var errNoBucketRegion = errors.New("the answer does not tell the region of the bucket")

// BucketRegion finds the region of a bucket. Any region may be asked, and may answer with an error: the bucket's region
// is told all the same.
func (c *Calls) BucketRegion(ctx context.Context, region string, keys awsclient.CredentialsProvider, bucket string) (string, error) {
	// Endpoints of FIPS mode do not take the bucket in the path.
	client, path, err := c.object(region, keys, bucket, "", c.fips(region))
	if err != nil {
		return "", err
	}
	header, err := client.Call(ctx, awsclient.RESTCall{Operation: "HeadBucket", Method: http.MethodHead, Path: path, Retries: c.retries()})
	if found := header.Get("X-Amz-Bucket-Region"); found != "" {
		return found, nil
	}
	if err == nil {
		err = errNoBucketRegion
	}
	return "", s3.failed("HeadBucket", err)
}

// Object reads an object of a bucket in the given region. body takes it as it comes, once per attempt.
func (c *Calls) Object(ctx context.Context, region string, keys awsclient.CredentialsProvider, bucket, key string, body func(io.Reader) error) error {
	client, path, err := c.object(region, keys, bucket, key, true)
	if err != nil {
		return err
	}
	var refused error // by body
	_, err = client.Call(ctx, awsclient.RESTCall{Operation: "GetObject", Method: http.MethodGet, Path: path, Retries: c.retries(), Body: func(r io.Reader) error {
		refused = body(r)
		return refused
	}})
	if err != nil && err == refused {
		return err
	}
	return s3.failed("GetObject", err)
}

func (c *Calls) fips(region string) bool { return c.FIPSHost && slices.Contains(fipsRegions, region) }

// object gives the client for a bucket and the escaped path of an object in it; an empty key stands for the bucket. The
// bucket is a part of the host name where that is wanted and possible, else the first element of the path.
func (c *Calls) object(region string, keys awsclient.CredentialsProvider, bucket, key string, inHostName bool) (*awsclient.RESTClient, string, error) {
	called := s3
	called.endpoint.FIPS = c.fips(region)
	endpoint, err := c.endpoint(called, region)
	if err != nil {
		return nil, "", &clientError{err}
	}
	base, err := url.Parse(endpoint)
	if err != nil {
		return nil, "", &clientError{err}
	}
	path := "/" + escape(key)
	if inHostName && hostName(bucket, base) {
		base.Host = bucket + "." + base.Host
	} else if path = "/" + escape(bucket); key != "" {
		path += "/" + escape(key)
	}
	client := &awsclient.RESTClient{}
	c.fill(&client.Client, called, region, base.String(), keys)
	return client, path, nil
}

// dnsLabel is a bucket name that can be one label of a host name: a name with dots matches no certificate.
var dnsLabel = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

func hostName(bucket string, endpoint *url.URL) bool {
	if _, err := netip.ParseAddr(endpoint.Hostname()); err == nil {
		return false
	}
	return dnsLabel.MatchString(bucket)
}

// escape escapes a key for a path and for its signature: everything but letters, digits, "-._~" and "/".
func escape(key string) string {
	var b strings.Builder
	for i := range len(key) {
		switch c := key[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
