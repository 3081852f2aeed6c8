package awsclient

import (
	"errors"
	"testing"
)

func TestResolveEndpoint(t *testing.T) {
	type vars = map[string]string
	files := map[string]string{"/home/ecs/.aws/config": `
[profile file]
endpoint_url = http://all.test/
[profile service]
services = s
endpoint_url = http://all.test
[services s]
ecs =
  endpoint_url = http://ecs.test
[profile ignored]
endpoint_url = http://all.test
ignore_configured_endpoint_urls = true
[profile flags]
use_fips_endpoint = true
use_dualstack_endpoint = true
`}
	cases := []struct {
		name      string
		env       vars
		region    string
		dualStack bool
		want      string
	}{
		{"commercial", nil, "us-west-2", false, "https://ecs.us-west-2.amazonaws.com"},
		{"dual stack", nil, "us-west-2", true, "https://ecs.us-west-2.api.aws"},
		{"China", nil, "cn-north-1", false, "https://ecs.cn-north-1.amazonaws.com.cn"},
		{"China dual stack", nil, "cn-north-1", true, "https://ecs.cn-north-1.api.amazonwebservices.com.cn"},
		{"GovCloud", nil, "us-gov-west-1", false, "https://ecs.us-gov-west-1.amazonaws.com"},
		{"iso", nil, "us-iso-east-1", false, "https://ecs.us-iso-east-1.c2s.ic.gov"},
		{"isob", nil, "us-isob-east-1", false, "https://ecs.us-isob-east-1.sc2s.sgov.gov"},
		{"isoe", nil, "eu-isoe-west-1", false, "https://ecs.eu-isoe-west-1.cloud.adc-e.uk"},
		{"isof", nil, "us-isof-south-1", false, "https://ecs.us-isof-south-1.csp.hci.ic.gov"},
		{"eusc", nil, "eusc-de-east-1", false, "https://ecs.eusc-de-east-1.amazonaws.eu"},
		{"a region of the future", nil, "xx-north-9", false, "https://ecs.xx-north-9.amazonaws.com"},
		{"FIPS", vars{"AWS_USE_FIPS_ENDPOINT": "true"}, "us-east-1", false, "https://ecs-fips.us-east-1.amazonaws.com"},
		{"dual stack by variable", vars{"AWS_USE_DUALSTACK_ENDPOINT": "TRUE"}, "us-east-1", false, "https://ecs.us-east-1.api.aws"},
		{"variable for all services", vars{"AWS_ENDPOINT_URL": "http://127.0.0.1:7080/"}, "us-east-1", true, "http://127.0.0.1:7080"},
		{"variable of the service first", vars{"AWS_ENDPOINT_URL": "http://a.test", "AWS_ENDPOINT_URL_ECS": "http://b.test"}, "us-east-1", false, "http://b.test"},
		{"variables ignored", vars{"AWS_ENDPOINT_URL": "http://a.test", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "us-east-1", false, "https://ecs.us-east-1.amazonaws.com"},
		{"shared config", vars{"AWS_PROFILE": "file"}, "us-east-1", false, "http://all.test"},
		{"shared config, service", vars{"AWS_PROFILE": "service"}, "us-east-1", false, "http://ecs.test"},
		{"shared config, ignored", vars{"AWS_PROFILE": "ignored"}, "us-east-1", false, "https://ecs.us-east-1.amazonaws.com"},
		{"shared config, flags", vars{"AWS_PROFILE": "flags"}, "us-east-1", false, "https://ecs-fips.us-east-1.api.aws"},
		{"variable beats shared config flag", vars{"AWS_PROFILE": "flags", "AWS_USE_FIPS_ENDPOINT": "false"}, "us-east-1", false, "https://ecs.us-east-1.api.aws"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := ResolveEndpoint(EndpointQuery{Service: "ECS", HostPrefix: "ecs", Region: c.region, DualStack: c.dualStack, Environment: env(c.env, files)})
			if err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
	for name, q := range map[string]EndpointQuery{
		"no region": {Environment: env(nil, nil)},
		"not a URL": {Region: "us-east-1", Environment: env(vars{"AWS_ENDPOINT_URL": "127.0.0.1:7080"}, nil)},
	} {
		if _, err := ResolveEndpoint(q); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestStandardEndpointIgnoresTheEnvironment(t *testing.T) {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"} {
		t.Setenv(name, "http://elsewhere.test")
	}
	t.Setenv("AWS_USE_FIPS_ENDPOINT", "true")
	t.Setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
	for _, c := range []struct {
		region    string
		dualStack bool
		want      string
	}{
		{"us-iso-east-1", false, "https://logs.us-iso-east-1.c2s.ic.gov"},
		{"us-west-2", true, "https://logs.us-west-2.api.aws"},
		{"cn-north-1", true, "https://logs.cn-north-1.api.amazonwebservices.com.cn"},
	} {
		if got, err := StandardEndpoint("logs", c.region, c.dualStack); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", c.region, got, err)
		}
	}
	if _, err := StandardEndpoint("logs", "", false); !errors.Is(err, errNoRegion) {
		t.Errorf("no region: %v", err)
	}
}

func TestKnownRegions(t *testing.T) {
	for region, known := range map[string]bool{
		"us-west-2": true, "ap-southeast-5": true, "cn-north-1": true, "us-gov-east-1": true, "us-iso-east-1": true, "eusc-de-east-1": true,
		"nowhere-1": false, "us-west": false, "": false,
	} {
		if KnownRegion(region) != known {
			t.Errorf("%q: %t", region, !known)
		}
	}
}
