package awsclient

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

var errNoRegion = errors.New("no AWS region is configured; set AWS_DEFAULT_REGION")

// partition is a group of regions that share their domain names.
type partition struct {
	regionPrefix string
	suffix       string
	dualStack    string
}

// partitions by region prefix; the first match wins and the last entry takes every other region.
var partitions = []partition{
	{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"", "amazonaws.com", "api.aws"},
}

// EndpointQuery asks for the base URL of a service.
type EndpointQuery struct {
	// Service is the id in AWS_ENDPOINT_URL_<Service>, for example "ECS" or "SECRETS_MANAGER".
	Service string
	// HostPrefix is the first label of the host name, for example "ecs".
	HostPrefix string
	// Host gives the host name of services that are not called "<prefix>[-fips].<region>.<suffix>"; nil for all others.
	Host   func(region string, fips, dualStack bool) string
	Region string
	// DualStack asks for the host name that also has IPv6 addresses.
	DualStack bool
	// FIPS asks for the host name with validated cryptography.
	FIPS        bool
	Environment Environment
}

// ResolveEndpoint applies the rules common to the AWS SDKs: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the same two
// settings of the shared config file, and then the host name of the region, with AWS_USE_FIPS_ENDPOINT and
// AWS_USE_DUALSTACK_ENDPOINT. The result has no trailing slash.
func ResolveEndpoint(q EndpointQuery) (string, error) {
	env := q.Environment.orReal()
	if q.Region == "" {
		return "", errNoRegion
	}
	if configured, err := configuredEndpoint(env, q.Service); err != nil || configured != "" {
		return configured, err
	}
	p, config, err := loadProfile(env, env.profileName())
	if err != nil {
		return "", err
	}
	if configured, err := profileEndpoint(env, p, config, q.Service); err != nil || configured != "" {
		return configured, err
	}
	host := q.HostPrefix
	fips := q.FIPS || enabled(env.Getenv("AWS_USE_FIPS_ENDPOINT"), p["use_fips_endpoint"])
	dualStack := q.DualStack || enabled(env.Getenv("AWS_USE_DUALSTACK_ENDPOINT"), p["use_dualstack_endpoint"])
	if q.Host != nil {
		return "https://" + q.Host(q.Region, fips, dualStack), nil
	}
	if fips {
		host += "-fips"
	}
	return StandardEndpoint(host, q.Region, dualStack)
}

// StandardEndpoint gives the base URL that a service has by the rules of its region alone, whatever the environment of the
// process says: for addresses that are handed to others. hostPrefix is the first label of the host name, for example "logs".
func StandardEndpoint(hostPrefix, region string, dualStack bool) (string, error) {
	if region == "" {
		return "", errNoRegion
	}
	return "https://" + hostPrefix + "." + region + "." + RegionSuffix(region, dualStack), nil
}

func configuredEndpoint(env Environment, service string) (string, error) {
	if strings.EqualFold(env.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") {
		return "", nil
	}
	name, v := firstSet(env.Getenv, "AWS_ENDPOINT_URL_"+service, "AWS_ENDPOINT_URL")
	if v == "" {
		return "", nil
	}
	return checkEndpoint(name, v)
}

func profileEndpoint(env Environment, p profile, config iniFile, service string) (string, error) {
	if strings.EqualFold(env.Getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") || strings.EqualFold(p["ignore_configured_endpoint_urls"], "true") {
		return "", nil
	}
	if v := config["services "+p["services"]][strings.ToLower(service)+".endpoint_url"]; v != "" {
		return checkEndpoint("endpoint_url of "+service+" in the shared config file", v)
	}
	if v := p["endpoint_url"]; v != "" {
		return checkEndpoint("endpoint_url in the shared config file", v)
	}
	return "", nil
}

func checkEndpoint(setting, value string) (string, error) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return "", fmt.Errorf("%s: %q is not an http or https URL", setting, value)
	}
	return strings.TrimRight(value, "/"), nil
}

// enabled reads a boolean that the environment may set and the shared config file may default.
func enabled(fromEnv, fromFile string) bool {
	if fromEnv != "" {
		return strings.EqualFold(fromEnv, "true")
	}
	return strings.EqualFold(fromFile, "true")
}

// RegionSuffix is the domain under which the services of a region are found: that of the region's partition, and
// "amazonaws.com" for a region that is not known.
func RegionSuffix(region string, dualStack bool) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regionPrefix) {
			if dualStack {
				return p.dualStack
			}
			return p.suffix
		}
	}
	return "" // not reached: the last prefix is empty
}

// usualRegion is the form of names in the partition that has no prefix of its own.
var usualRegion = regexp.MustCompile(`^(us|us-gov|eu|ap|sa|ca|me|af|il|mx)-[a-z]+-[0-9]+$`)

// KnownRegion reports whether RegionSuffix is more than a guess.
func KnownRegion(region string) bool {
	for _, p := range partitions {
		if p.regionPrefix != "" && strings.HasPrefix(region, p.regionPrefix) {
			return true
		}
	}
	return usualRegion.MatchString(region)
}
