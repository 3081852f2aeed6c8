// Package download fetches the agent's image from the buckets it is published in.
package download

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

const (
	bucket        = "amazon-ecs-agent"
	defaultRegion = "us-east-1"
)

// location is a place files are fetched from.
type location struct {
	base string // URL; "/" and the name of a file follow
	text string // for people
}

// partition is a group of regions; its bucket is in one of them.
type partition struct {
	form *regexp.Regexp
	home string // region of the bucket
}

var partitions = []partition{
	{regexp.MustCompile(`^(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+$`), "us-east-1"},
	{regexp.MustCompile(`^cn-\w+-\d+$`), "cn-north-1"},
	{regexp.MustCompile(`^us-gov-\w+-\d+$`), "us-gov-west-1"},
	{regexp.MustCompile(`^us-iso-\w+-\d+$`), "us-iso-east-1"},
	{regexp.MustCompile(`^us-isob-\w+-\d+$`), "us-isob-east-1"},
}

// bucketRegion is where the bucket of the region's partition is.
func bucketRegion(region string) string {
	for _, p := range partitions {
		if p.form.MatchString(region) {
			return p.home
		}
	}
	log.Warnf("Current region not supported, using the default region (%s) for downloader, err: no bucket is known for region %q", defaultRegion, region)
	return defaultRegion
}

// published lists the buckets: the partition's, then the region's own.
func published(getenv func(string) string, region string, dualStack bool) ([]location, error) {
	var list []location
	for _, b := range []struct{ name, region string }{
		{bucket, bucketRegion(region)},
		{bucket + "-" + region, region},
	} {
		base, err := bucketURL(getenv, b.name, b.region, dualStack)
		if err != nil {
			return nil, err
		}
		list = append(list, location{base: base, text: fmt.Sprintf("bucket %s in region %s", b.name, b.region)})
	}
	return list, nil
}

// bucketURL is the address of a bucket. An endpoint set for the AWS SDKs gets the bucket's name in the path.
func bucketURL(getenv func(string) string, name, region string, dualStack bool) (string, error) {
	if !strings.EqualFold(getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") {
		for _, variable := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
			if endpoint := strings.TrimRight(getenv(variable), "/"); endpoint != "" {
				return endpoint + "/" + name, nil
			}
		}
	}
	host := name + ".s3"
	if strings.EqualFold(getenv("AWS_USE_FIPS_ENDPOINT"), "true") {
		host += "-fips"
	}
	if dualStack || strings.EqualFold(getenv("AWS_USE_DUALSTACK_ENDPOINT"), "true") {
		host += ".dualstack" // unlike other services, S3 keeps the region's usual domain
	}
	return awsclient.StandardEndpoint(host, region, false)
}

// chosen lists the locations an operator named in ECS_INIT_DOWNLOAD_URL, separated by blanks or commas.
func chosen(value string) []location {
	var list []location
	for _, base := range strings.FieldsFunc(value, func(c rune) bool { return c == ' ' || c == ',' || c == '\t' }) {
		base = strings.TrimRight(base, "/")
		list = append(list, location{base: base, text: base})
	}
	return list
}

// key is the name of the image's archive.
func key(version, arch string) (string, error) {
	if version == "" {
		return "", errors.New("this build of ecs-init does not know which version of the agent belongs to it; put the image's archive into the cache by hand")
	}
	switch arch {
	case "amd64":
		return "ecs-agent-v" + version + ".tar", nil
	case "arm64":
		return "ecs-agent-arm64-v" + version + ".tar", nil
	}
	return "", fmt.Errorf("unknown architecture %q", arch)
}
