package registration

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/ecsapi"
	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/google/go-cmp/cmp"
)

// newRegistrar returns a registrar on healthy fakes.
func newRegistrar(ecs *fakeECS) (*Registrar, *fakeMetadata, *fakeCredentials) {
	md := metadata(map[string]string{pathIdentity: `{"instanceId":"i-1"}`, pathIdentitySign: "SIGNATURE", pathInstanceID: "i-1"})
	creds := &fakeCredentials{}
	return &Registrar{ECS: ecs, Metadata: md, Credentials: creds, EC2: &fakeTags{}}, md, creds
}

func request(cluster, arn string) Request {
	return Request{
		Facts: Facts{Config: &config.Config{
			Cluster: cluster, DetailedOSFamily: "LINUX", InstanceAttributes: map[string]string{"stack": "prod", "no-value": ""},
			ContainerInstanceTags: map[string]string{"team": "platform"},
		}},
		Resources:            Resources{CPU: 4096, MemoryMiB: 15704, PortsTCP: []uint16{22}},
		Cluster:              cluster,
		ContainerInstanceARN: arn,
	}
}

func TestFirstRegistration(t *testing.T) {
	ecs := &fakeECS{}
	r, _, creds := newRegistrar(ecs)
	got, err := r.Register(t.Context(), request("production", ""))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Result{"arn:ci", "production", "us-west-2a"}, got); diff != "" {
		t.Error(diff)
	}
	q := ecs.requests[0]
	if names := texts(q.Attributes); names[0] != "no-value=" || names[1] != "stack=prod" || names[2] != prefix+"private-registry-authentication.secretsmanager" ||
		names[len(names)-1] != "ecs.os-type-detailed=LINUX" {
		t.Errorf("attributes %v", names)
	}
	if q.ContainerInstanceARN != "" || q.IdentityDocument != `{"instanceId":"i-1"}` || q.IdentitySignature != "SIGNATURE" || len(q.ClientToken) != 36 ||
		len(q.Tags) != 1 || len(q.Resources) != 4 || q.PlatformDevices != nil {
		t.Errorf("request %+v", q)
	}
	if creds.retrieved != 1 || creds.invalidated != 0 {
		t.Errorf("credentials %+v", creds)
	}
}

func TestReregistration(t *testing.T) {
	ecs := &fakeECS{}
	r, _, _ := newRegistrar(ecs)
	first, err := r.Register(t.Context(), request("production", "arn:ci"))
	if err != nil || first.ContainerInstanceARN != "arn:ci" {
		t.Fatalf("got %+v, %v", first, err)
	}
	q := ecs.requests[0]
	if q.ContainerInstanceARN != "arn:ci" || strings.Contains(strings.Join(texts(q.Attributes), " "), "stack") {
		t.Errorf("custom attributes must not be sent again: %v", texts(q.Attributes))
	}
	if _, err := r.Register(t.Context(), request("production", "arn:ci")); err != nil {
		t.Fatal(err)
	}
	if ecs.requests[1].ClientToken == q.ClientToken {
		t.Error("each start has a client token of its own")
	}
}

func TestGPUsAndOutpost(t *testing.T) {
	ecs := &fakeECS{}
	r, md, creds := newRegistrar(ecs)
	md.values[pathOutpost] = "arn:aws:outposts:us-west-2:1:outpost/op-1\n"
	creds.err = errors.New("no credentials yet") // only logged
	q := request("c", "")
	q.Facts.Config.GPUSupportEnabled = true
	q.Facts.GPU = &GPU{DriverVersion: "1", IDs: []string{"GPU-1", "GPU-2"}}
	if _, err := r.Register(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	sent := ecs.requests[0]
	if diff := cmp.Diff([]ecsapi.PlatformDevice{{ID: "GPU-1", Type: "GPU"}, {ID: "GPU-2", Type: "GPU"}}, sent.PlatformDevices); diff != "" {
		t.Error(diff)
	}
	if last := text(sent.Attributes[len(sent.Attributes)-1]); last != "ecs.outpost-arn=arn:aws:outposts:us-west-2:1:outpost/op-1" {
		t.Errorf("last attribute %s", last)
	}
}

func TestRegistrationErrors(t *testing.T) {
	type serviceError struct {
		Code, Message, Network, AttributeValidation string
		ClientRetryQuotaExceeded                    bool
	}
	var cases []struct {
		Error                     *serviceError
		Sequence                  []any
		Calls                     int
		ConfiguredCluster         *string
		Retry                     bool
		ExitFirst, ExitReregister *int
		Next                      []string
		Result                    string
	}
	goldenfile.Read(t, "testdata/registration_error.json", &cases)
	for _, c := range cases {
		cluster := "c"
		if c.ConfiguredCluster != nil {
			cluster = *c.ConfiguredCluster
		}
		var answers []answer
		name := "sequence"
		switch {
		case c.Error == nil:
			for _, s := range c.Sequence {
				if m, isError := s.(map[string]any); isError {
					answers = append(answers, answer{err: apiError(m["code"].(string), "")})
				} else {
					answers = append(answers, answer{})
				}
			}
		case c.Error.ClientRetryQuotaExceeded:
			continue // this client has no quota
		case c.Error.Network != "":
			name, answers = "network", []answer{{err: errors.New(c.Error.Network)}}
		case c.Error.AttributeValidation != "":
			name, answers = "attributes", []answer{{instance: ecsapi.ContainerInstance{ARN: "arn:ci"}}}
		default:
			name = c.Error.Code + " " + c.Error.Message
			answers = []answer{{err: apiError(c.Error.Code, c.Error.Message)}}
			if len(c.Next) > 0 {
				answers = append(answers, answer{})
			}
		}
		for arn, want := range map[string]*int{"": c.ExitFirst, "arn:ci": c.ExitReregister} {
			if want == nil && (arn != "" || c.Error != nil && c.Next == nil) {
				continue
			}
			t.Run(name+" "+arn, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ecs := &fakeECS{answers: answers}
					r, _, _ := newRegistrar(ecs)
					start := time.Now()
					result, err := r.Register(t.Context(), request(cluster, arn))
					took := time.Since(start)
					if want == nil {
						if err != nil || result.ContainerInstanceARN != "arn:ci" {
							t.Errorf("got %+v, %v", result, err)
						}
					} else if err == nil || ExitCode(err) != *want {
						t.Errorf("got %v (exit %d), want exit %d", err, ExitCode(err), *want)
					}
					if c.Calls > 0 && len(ecs.requests) != c.Calls {
						t.Errorf("%d calls, want %d", len(ecs.requests), c.Calls)
					}
					if c.Error != nil && c.Retry != (took > time.Minute) {
						t.Errorf("took %v, retried should be %v", took, c.Retry)
					}
					if c.Next != nil && (len(ecs.created) != 1 || ecs.created[0] != "default" || ecs.requests[1].Cluster != "default" || result.Cluster != "default") {
						t.Errorf("created %v, result %+v", ecs.created, result)
					}
					if cluster != "" && len(ecs.created) > 0 {
						t.Error("a configured cluster is never created")
					}
				})
			})
		}
	}
}

func TestRetriesForAnHourWithOneToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ecs := &fakeECS{answers: []answer{{err: apiError("ServerException", "oops")}}}
		r, md, _ := newRegistrar(ecs)
		start := time.Now()
		result, err := r.Register(t.Context(), request("c", ""))
		took := time.Since(start)
		if !errors.Is(err, ecsapi.ErrTransient) || ExitCode(err) != CodeError || result != (Result{}) {
			t.Errorf("got %+v, %v", result, err)
		}
		// 3+6+…+192 s are 6.3 min, then steps of 192 to 230 s.
		if took > time.Hour || took < 55*time.Minute || len(ecs.requests) < 7+13 || len(ecs.requests) > 8+17 {
			t.Errorf("%d calls in %v", len(ecs.requests), took)
		}
		for _, q := range ecs.requests {
			if q.ClientToken != ecs.requests[0].ClientToken {
				t.Fatal("all attempts of one start must carry the same client token")
			}
		}
		if md.calls[pathIdentity] != len(ecs.requests) {
			t.Errorf("%d identity documents for %d attempts", md.calls[pathIdentity], len(ecs.requests))
		}
	})
}

func TestRegistrationBackoff(t *testing.T) {
	b := registerRetry.Start()
	for _, seconds := range []float64{3, 6, 12, 24, 48, 96, 192, 192} {
		if d := b.Next().Seconds(); d < seconds || d >= seconds*1.2 {
			t.Errorf("pause %v s, want %v s and up to 20 %% more", d, seconds)
		}
	}
}

func TestShutdownEndsRegistrationAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ecs := &fakeECS{answers: []answer{{err: apiError("ThrottlingException", "slow down")}}}
		r, _, _ := newRegistrar(ecs)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := r.Register(ctx, request("c", "")); done <- err }()
		time.Sleep(10 * time.Minute)
		cancel()
		start := time.Now()
		if err := <-done; !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestDefaultClusterIsNotCreatedForOtherErrors(t *testing.T) {
	ecs := &fakeECS{answers: []answer{{err: apiError("AccessDeniedException", "no")}}}
	r, _, _ := newRegistrar(ecs)
	_, err := r.Register(t.Context(), request("", ""))
	if err == nil || len(ecs.requests) != 1 || len(ecs.created) != 0 {
		t.Errorf("%d calls, created %v: %v", len(ecs.requests), ecs.created, err)
	}

	ecs = &fakeECS{answers: []answer{{err: apiError("ClusterNotFoundException", "")}}, createErr: apiError("AccessDeniedException", "may not create")}
	r, _, _ = newRegistrar(ecs)
	if _, err := r.Register(t.Context(), request("", "")); awsclient.ErrorCode(err) != "AccessDeniedException" || ExitCode(err) != CodeError {
		t.Errorf("got %v", err)
	}
}

func TestInstanceTypeChangeSaysWhatToDo(t *testing.T) {
	ecs := &fakeECS{answers: []answer{{err: apiError("ClientException", "Container instance type changes are not supported. Was m5.")}}}
	r, _, _ := newRegistrar(ecs)
	_, err := r.Register(t.Context(), request("c", "arn:ci"))
	if ExitCode(err) != CodeTerminal || !strings.HasPrefix(err.Error(), "The current instance type does not match the registered instance type. Please revert") {
		t.Errorf("got %v", err)
	}
}

func TestRefusedAttributes(t *testing.T) {
	for name, change := range map[string]func([]ecsapi.Attribute) []ecsapi.Attribute{
		"missing":     func(a []ecsapi.Attribute) []ecsapi.Attribute { return a[1:] },
		"other value": func(a []ecsapi.Attribute) []ecsapi.Attribute { a[0] = ecsapi.NamedValue(a[0].Name, "x"); return a },
	} {
		sent := ecsapi.RegisterRequest{Attributes: []ecsapi.Attribute{ecsapi.NamedValue("stack", "prod"), ecsapi.NamedValue("empty", ""), ecsapi.Named("none")}}
		answer := accepted(sent)
		_, err := checked(ecsapi.ContainerInstance{ARN: answer.ARN, Attributes: change(answer.Attributes)}, sent, "c")
		var refused *AttributeError
		if !errors.As(err, &refused) || refused.Names[0] != "stack" || err.Error() != "Attribute validation failed" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// A missing value and an empty one are the same.
	sent := ecsapi.RegisterRequest{Attributes: []ecsapi.Attribute{ecsapi.NamedValue("empty", ""), ecsapi.Named("none")}}
	if _, err := checked(ecsapi.ContainerInstance{ARN: "a", Attributes: []ecsapi.Attribute{ecsapi.Named("empty"), ecsapi.NamedValue("none", "")}}, sent, "c"); err != nil {
		t.Error(err)
	}
	q := request("c", "")
	if err := exitOf(&AttributeError{[]string{"stack"}}, q); ExitCode(err) != CodeTerminal || !strings.Contains(err.Error(), "task-placement-constraints.html#attributes") {
		t.Errorf("got %v", err)
	}
}

func TestAnswerWithoutARNIsAnError(t *testing.T) {
	if _, err := checked(ecsapi.ContainerInstance{}, ecsapi.RegisterRequest{}, "c"); err == nil {
		t.Error("want an error")
	}
}
