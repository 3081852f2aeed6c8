package registration

import (
	"errors"
	"testing"

	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/imds"
	"github.com/google/go-cmp/cmp"
)

func TestInstanceTags(t *testing.T) {
	var cases []struct {
		Configured         map[string]string
		EC2                []struct{ Key, Value string }
		Propagate          string
		DescribeTagsError  string
		Sent               map[string]string
		DescribeTagsCalled *bool
	}
	goldenfile.Read(t, "testdata/tags.json", &cases)
	for _, c := range cases {
		cfg := &config.Config{ContainerInstanceTags: c.Configured}
		if c.Propagate == "ec2_instance" {
			cfg.ContainerInstancePropagateTagsFrom = config.PropagateTagsFromEC2Instance
		}
		ec2 := &fakeTags{tags: map[string]string{}}
		for _, tag := range c.EC2 {
			ec2.tags[tag.Key] = tag.Value
		}
		if c.DescribeTagsError != "" {
			ec2.err = errors.New(c.DescribeTagsError)
		}
		tags, err := instanceTags(t.Context(), cfg, metadata(map[string]string{pathInstanceID: "i-1"}), ec2)
		if (err != nil) != (c.DescribeTagsError != "") {
			t.Errorf("got %v", err)
			continue
		}
		if err != nil {
			continue
		}
		var got map[string]string
		if tags != nil {
			got = map[string]string{}
		}
		for _, tag := range tags {
			got[tag.Key] = tag.Value
		}
		if diff := cmp.Diff(c.Sent, got); diff != "" {
			t.Error(diff)
		}
		if c.Propagate == "none" && len(ec2.asked) > 0 || c.Propagate != "none" && (len(ec2.asked) != 1 || ec2.asked[0] != "i-1") {
			t.Errorf("asked EC2 for %v", ec2.asked)
		}
	}
}

func TestPropagationNeedsAnInstanceID(t *testing.T) {
	md := metadata(nil)
	md.err[pathInstanceID] = imds.ErrBlackholed
	cfg := &config.Config{ContainerInstancePropagateTagsFrom: config.PropagateTagsFromEC2Instance}
	if _, err := instanceTags(t.Context(), cfg, md, &fakeTags{}); err == nil || ExitCode(err) != CodeError {
		t.Errorf("got %v", err)
	}
}

func TestConfiguredTagsWithTheReservedPrefixAreNotSent(t *testing.T) {
	cfg := &config.Config{ContainerInstanceTags: map[string]string{"Aws:a": "b", "c": "AWS:d", "e": "aws"}}
	tags, err := instanceTags(t.Context(), cfg, metadata(nil), nil)
	if err != nil || len(tags) != 1 || tags[0].Key != "e" {
		t.Errorf("got %v, %v", tags, err)
	}
}
