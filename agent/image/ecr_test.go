package image

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/config"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/docker"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

// fakeTokens gives tokens that are good for 12 hours, numbered as they are asked for. A call takes a second.
type fakeTokens struct {
	mu    sync.Mutex
	asked []string // registry and key id
	err   error
	give  func() []awsapi.RegistryToken // nil: one good token
}

func (f *fakeTokens) RegistryTokens(ctx context.Context, r awsapi.Registry, keys awsclient.CredentialsProvider) ([]awsapi.RegistryToken, error) {
	c, err := keys.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.asked = append(f.asked, fmt.Sprintf("%s %s %s by %s", r.ID, r.Region, r.Endpoint, c.AccessKeyID))
	number, failed, give := len(f.asked), f.err, f.give
	f.mu.Unlock()
	time.Sleep(time.Second)
	switch {
	case failed != nil:
		return nil, failed
	case give != nil:
		return give(), nil
	}
	return []awsapi.RegistryToken{token(fmt.Sprintf("AWS:token:%d", number), time.Now().Add(12*time.Hour))}, nil
}

func token(plain string, expires time.Time) awsapi.RegistryToken {
	return awsapi.RegistryToken{Token: base64.StdEncoding.EncodeToString([]byte(plain)), ProxyEndpoint: "https://1.dkr.ecr.us-west-2.amazonaws.com", Expires: expires}
}

func newECR(f *fakeTokens) *ECR {
	roles := &credentials.Store{}
	for _, id := range []string{"exec-1", "exec-2"} {
		roles.Set(credentials.Credentials{ID: id, RoleARN: "arn:role", AccessKeyID: "AK-" + id, SecretAccessKey: "s"})
	}
	roles.Set(credentials.Credentials{ID: "exec-empty"})
	instance := awsclient.StaticCredentials{AccessKeyID: "AK-instance", SecretAccessKey: "s"}
	return &ECR{Tokens: f, Roles: roles, Instance: instance}
}

// ecrTask has one container; role is the id of the execution role's credentials, empty for the instance's.
func ecrTask(role string, data task.ECRAuthData) (*task.Task, *task.Container) {
	ts, c := oneTask("1.dkr.ecr.us-west-2.amazonaws.com/app")
	ts.ExecutionCredentialsID = role
	data.UseExecutionRole = role != ""
	c.RegistryAuth = &task.RegistryAuth{Type: task.RegistryECR, ECR: &data}
	return ts, c
}

func (e *ECR) password(t *testing.T, role string, data task.ECRAuthData) string {
	t.Helper()
	ts, c := ecrTask(role, data)
	auth, err := e.auth(t.Context(), ts, c)
	if err != nil {
		t.Fatal(err)
	}
	return auth.Password
}

func TestTokensAreKeptPerRegistryAndRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTokens{}
		e := newECR(f)
		west := task.ECRAuthData{RegistryID: "1", Region: "us-west-2"}
		for range 2 {
			for i, c := range []struct {
				role string
				data task.ECRAuthData
			}{
				{"", west}, {"exec-1", west}, {"exec-2", west}, // a new id of the same role counts as another one
				{"", task.ECRAuthData{RegistryID: "2", Region: "us-west-2"}},
				{"", task.ECRAuthData{RegistryID: "1", Region: "eu-west-1"}},
				{"", task.ECRAuthData{RegistryID: "1", Region: "us-west-2", EndpointOverride: "my.endpoint"}},
			} {
				if got, want := e.password(t, c.role, c.data), fmt.Sprintf("token:%d", i+1); got != want {
					t.Errorf("case %d: %s, want %s", i, got, want)
				}
			}
		}
		want := []string{
			"1 us-west-2  by AK-instance", "1 us-west-2  by AK-exec-1", "1 us-west-2  by AK-exec-2",
			"2 us-west-2  by AK-instance", "1 eu-west-1  by AK-instance", "1 us-west-2 my.endpoint by AK-instance",
		}
		if diff := cmp.Diff(want, f.asked); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTokensAreRenewedBeforeTheyExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTokens{}
		e := newECR(f)
		ask := func(want int) {
			t.Helper()
			e.password(t, "", task.ECRAuthData{RegistryID: "1"})
			if len(f.asked) != want {
				t.Errorf("%d calls, want %d", len(f.asked), want)
			}
		}
		ask(1)
		time.Sleep(11*time.Hour - time.Minute)
		ask(1) // more than an hour is left
		time.Sleep(31*time.Minute + time.Second)
		ask(2) // less than half an hour

		f.err = errors.New("ECR is away")
		time.Sleep(11*time.Hour + 45*time.Minute)
		ask(3) // it failed, but the token is good for some minutes more
		time.Sleep(20 * time.Minute)
		ts, c := ecrTask("", task.ECRAuthData{RegistryID: "1"})
		if _, err := e.auth(t.Context(), ts, c); !errors.Is(err, f.err) {
			t.Errorf("%v with an expired token", err)
		}
	})
}

func TestTokensOfUnknownLifeAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTokens{give: func() []awsapi.RegistryToken { return []awsapi.RegistryToken{token("u:p", time.Time{})} }}
		e := newECR(f)
		for range 2 {
			e.password(t, "", task.ECRAuthData{})
		}
		if len(f.asked) != 2 {
			t.Errorf("%d calls", len(f.asked))
		}
	})
}

func TestTheTokenUsedLeastGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTokens{}
		e := newECR(f)
		registry := func(i int) task.ECRAuthData { return task.ECRAuthData{RegistryID: fmt.Sprint(i)} }
		for i := range tokensKept {
			e.password(t, "", registry(i))
		}
		e.password(t, "", registry(0))
		e.password(t, "", registry(tokensKept)) // 1 has to go
		if len(f.asked) != tokensKept+1 {
			t.Fatalf("%d calls", len(f.asked))
		}
		e.password(t, "", registry(0))
		e.password(t, "", registry(1))
		if len(f.asked) != tokensKept+2 || e.kept.Len() != tokensKept || len(e.byKey) != tokensKept {
			t.Errorf("%d calls, %d and %d kept", len(f.asked), e.kept.Len(), len(e.byKey))
		}
	})
}

func TestContainersShareTheCallForAToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTokens{}
		e := newECR(f)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got := e.password(t, "exec-1", task.ECRAuthData{RegistryID: "1"}); got != "token:1" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		if len(f.asked) != 1 {
			t.Errorf("%d calls", len(f.asked))
		}
	})
}

// Both image steps fail with the same words, and nothing is asked of the registry.
func TestECRFailures(t *testing.T) {
	denied := errors.New("operation error ECR: GetAuthorizationToken, https response error StatusCode: 400, RequestID: r, api error AccessDeniedException: no")
	good := token("u:p", time.Now().Add(time.Hour))
	cases := []struct {
		name   string
		role   string
		tokens *fakeTokens
		want   string
	}{
		{"no role", "other", &fakeTokens{}, "engine ecr credentials: not found"},
		{"a role without keys", "exec-empty", &fakeTokens{}, "container uses execution credentials, but the credentials are empty"},
		{"the call fails", "", &fakeTokens{err: denied}, denied.Error()},
		{"no token", "", &fakeTokens{give: func() []awsapi.RegistryToken { return nil }}, "unexpected number of results in AuthorizationData (0)"},
		{"two tokens", "", &fakeTokens{give: func() []awsapi.RegistryToken { return []awsapi.RegistryToken{good, good} }}, "unexpected number of results in AuthorizationData (2)"},
		{"nothing in it", "", &fakeTokens{give: func() []awsapi.RegistryToken { return make([]awsapi.RegistryToken, 1) }},
			"ecr auth: missing AuthorizationData in ECR response for 1.dkr.ecr.us-west-2.amazonaws.com/app"},
		{"an empty token", "", &fakeTokens{give: func() []awsapi.RegistryToken { return []awsapi.RegistryToken{{ProxyEndpoint: "p"}} }},
			"ecr auth: AuthorizationData is nil for 1.dkr.ecr.us-west-2.amazonaws.com/app"},
		{"no base64", "", &fakeTokens{give: func() []awsapi.RegistryToken { return []awsapi.RegistryToken{{Token: "topsecret!"}} }},
			"ecr auth: malformed AuthorizationData in ECR response for 1.dkr.ecr.us-west-2.amazonaws.com/app"},
		{"no password", "", &fakeTokens{give: func() []awsapi.RegistryToken { return []awsapi.RegistryToken{token("topsecret", time.Time{})} }},
			"ecr auth: malformed AuthorizationData in ECR response for 1.dkr.ecr.us-west-2.amazonaws.com/app"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &fakeHost{}
				p, _ := newPuller(h)
				p.auth = Auth{ECR: newECR(c.tokens)}
				ts, container := ecrTask(c.role, task.ECRAuthData{RegistryID: "1"})
				_, manifestErr := p.ResolveManifest(t.Context(), ts, container)
				_, pullErr := p.Pull(t.Context(), ts, container)
				for _, err := range []error{manifestErr, pullErr} {
					if want := "CannotPullECRContainerError: " + c.want; text(err) != want {
						t.Errorf("%v, want %s", err, want)
					}
				}
				if made := h.made(); slices.ContainsFunc(made, func(call string) bool { return call[:4] == "pull" || call[:4] == "mani" }) {
					t.Errorf("calls %v", made)
				}
			})
		})
	}
}

func TestATokenTheRegistryRefusesIsNotUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTokens{}
		h := &fakeHost{manifest: func(_ context.Context, _ string, auth docker.Auth) (docker.Manifest, error) {
			if auth.Password == "token:1" {
				return docker.Manifest{}, errors.New("Error response from daemon: denied: Your authorization token has expired. Reauthenticate and try again.")
			}
			return docker.Manifest{}, errors.New("Error response from daemon: denied: you may not")
		}}
		p, _ := newPuller(h)
		p.auth = Auth{ECR: newECR(f)}
		ts, c := ecrTask("", task.ECRAuthData{RegistryID: "1"})
		for step, want := range []int{1, 2, 2} { // a refusal of another kind has nothing to do with the token
			if _, err := p.ResolveManifest(t.Context(), ts, c); err == nil || len(f.asked) != want {
				t.Errorf("step %d: %v, %d tokens, want %d", step, err, len(f.asked), want)
			}
		}
		if _, err := p.Pull(t.Context(), ts, c); err != nil || len(f.asked) != 2 {
			t.Errorf("%v, %d tokens", err, len(f.asked))
		}
	})
}

func TestAPullWithoutATokenGivesTheHint(t *testing.T) {
	p, _ := newPuller(&fakeHost{})
	cause := `Post "https://api.ecr.us-west-2.amazonaws.com/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`
	p.auth = Auth{ECR: newECR(&fakeTokens{err: errors.New(cause)})}
	ts, c := ecrTask("", task.ECRAuthData{RegistryID: "1"})
	_, err := p.Pull(t.Context(), ts, c)
	if want := "CannotPullECRContainerError: The task can’t pull the image. Check your network configuration. " + cause; text(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestCredentialsOfTasksReachDocker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []docker.Auth
		h := &fakeHost{
			manifest: func(_ context.Context, _ string, auth docker.Auth) (docker.Manifest, error) {
				got = append(got, auth)
				return docker.Manifest{}, nil
			},
			pull: func(_ context.Context, r docker.PullRequest) error {
				got = append(got, r.Auth)
				return nil
			},
		}
		p, _ := newPuller(h, func(c *config.Config) { // which does not stand in for what the task says
			c.EngineAuthType, c.EngineAuthData = "docker", config.NewSecret([]byte(`{"index.docker.io/v1/":{"username":"engine","password":"e"}}`))
		})
		p.auth = Auth{ECR: newECR(&fakeTokens{}), Password: func(_ *task.Task, c *task.Container) (docker.Auth, bool) {
			return docker.Auth{Username: "u", Password: "p"}, c.RegistryAuth.ASM.CredentialsParameter == "fetched"
		}}
		bring := func(a task.RegistryAuth) []error {
			ts, c := oneTask("app")
			c.RegistryAuth = &a
			_, manifestErr := p.ResolveManifest(t.Context(), ts, c)
			_, pullErr := p.Pull(t.Context(), ts, c)
			return []error{manifestErr, pullErr}
		}
		bring(task.RegistryAuth{Type: task.RegistryECR})
		bring(task.RegistryAuth{Type: task.RegistryASM, ASM: &task.ASMAuthData{CredentialsParameter: "fetched"}})
		bring(task.RegistryAuth{})
		ecr := docker.Auth{Username: "AWS", Password: "token:1", ServerAddress: "https://1.dkr.ecr.us-west-2.amazonaws.com"}
		asm, engine := docker.Auth{Username: "u", Password: "p"}, docker.Auth{Username: "engine", Password: "e"}
		if !slices.Equal(got, []docker.Auth{ecr, ecr, asm, asm, engine, engine}) {
			t.Errorf("%d calls, not all with the right credentials", len(got))
		}
		for _, err := range bring(task.RegistryAuth{Type: task.RegistryASM, ASM: &task.ASMAuthData{CredentialsParameter: "other"}}) {
			if text(err) != "CannotPullContainerAuthError: engine docker private registry credentials: not found" {
				t.Error(err)
			}
		}
		if len(got) != 6 {
			t.Error("the registry was asked without the credentials")
		}
	})
}
