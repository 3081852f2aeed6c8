package resource

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/resource/rooted"
)

// downloadLimit bounds the download of one object.
const downloadLimit = 30 * time.Second

// Objects are the calls that download from Amazon S3.
type Objects interface {
	// BucketRegion finds the region of a bucket, asking in the given one.
	BucketRegion(ctx context.Context, region string, keys awsclient.CredentialsProvider, bucket string) (string, error)
	// Object hands an object to body, once per attempt.
	Object(ctx context.Context, region string, keys awsclient.CredentialsProvider, bucket, key string, body func(io.Reader) error) error
}

// Object is an object of a bucket in a region.
type Object struct{ Region, Bucket, Key string }

// Download fills a file with an object.
func Download(ctx context.Context, from Objects, keys awsclient.CredentialsProvider, o Object, dir *rooted.Dir, to rooted.File) error {
	ctx, cancel := context.WithTimeout(ctx, downloadLimit)
	defer cancel()
	to.Fill = func(file *os.File) error {
		return from.Object(ctx, o.Region, keys, o.Bucket, o.Key, func(body io.Reader) error { return rooted.Refill(file, body) })
	}
	return dir.Write(ctx, to)
}
