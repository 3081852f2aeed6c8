package mapping

import (
	"strings"
	"testing"
)

// variable gives the value of a variable in a request; "-" when it is not set.
func variable(r *Request, name string) string {
	for _, v := range r.Config.Env {
		if value, found := strings.CutPrefix(v, name+"="); found {
			return value
		}
	}
	return "-"
}

func TestRegionVariablesAreSetBothOrNone(t *testing.T) {
	tests := []struct {
		name, region, task string
		image              bool
		region1, region2   string
	}{
		{name: "nobody has an opinion", region: "us-west-2", task: `{"Containers":[{"Name":"app"}]}`, region1: "us-west-2", region2: "us-west-2"},
		{name: "the region is not known", task: `{"Containers":[{"Name":"app"}]}`, region1: "-", region2: "-"},
		{name: "the task sets one, even empty", region: "us-west-2", task: `{"Containers":[{"Name":"app","environment":{"AWS_DEFAULT_REGION":""}}]}`, region1: "-", region2: ""},
		{name: "the image sets one", region: "us-west-2", task: `{"Containers":[{"Name":"app"}]}`, image: true, region1: "-", region2: "-"},
		{name: "the container is the agent's own", region: "us-west-2", task: `{"Containers":[{"Name":"app","IsInternal":"MANAGED_DAEMON"}]}`, region1: "-", region2: "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tsk := decodeTask(t, tt.task)
			request, err := Create(tsk, tsk.Containers[0], goldenFacts{Region: tt.region, ImageSetsRegion: tt.image}.facts())
			if err != nil {
				t.Fatal(err)
			}
			if got := variable(request, "AWS_REGION"); got != tt.region1 {
				t.Errorf("AWS_REGION %q, want %q", got, tt.region1)
			}
			if got := variable(request, "AWS_DEFAULT_REGION"); got != tt.region2 {
				t.Errorf("AWS_DEFAULT_REGION %q, want %q", got, tt.region2)
			}
		})
	}
}

func TestPauseContainersGetNoVariables(t *testing.T) {
	for _, kind := range []string{"CNI_PAUSE", "NAMESPACE_PAUSE"} {
		tsk := decodeTask(t, `{"credentialsID":"id","Containers":[{"Name":"pause","IsInternal":"`+kind+`"}]}`)
		request, err := Create(tsk, tsk.Containers[0], goldenFacts{Region: "us-west-2", Credentials: []string{"id"}}.facts())
		if err != nil {
			t.Fatal(err)
		}
		if len(request.Config.Env) != 0 {
			t.Errorf("%s: Env %v, want none", kind, request.Config.Env)
		}
	}
}

func TestARoleWithoutCredentialsIsNotPromised(t *testing.T) {
	tsk := decodeTask(t, `{"credentialsID":"never-heard-of","Containers":[{"Name":"app"}]}`)
	request, err := Create(tsk, tsk.Containers[0], goldenFacts{}.facts())
	if err != nil {
		t.Fatal(err)
	}
	if got := variable(request, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); got != "-" {
		t.Errorf("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=%q, want it unset", got)
	}
}
