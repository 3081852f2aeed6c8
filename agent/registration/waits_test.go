package registration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/goldenfile"
	"github.com/aws/amazon-ecs-agent/agent/imds"
)

// script answers one path with a list of answers, one per poll; an error answer stands for all tries of a poll, and the
// last answer repeats.
type script struct {
	answers []any
	tries   int
	polls   int
}

func (s *script) Get(context.Context, string) (string, error) {
	a := s.answers[min(s.polls, len(s.answers)-1)]
	switch v := a.(type) {
	case string:
		if v == "blackholed" {
			s.polls++
			return "", imds.ErrBlackholed
		}
		s.polls++
		return v, nil
	case float64:
		s.next()
		return "", statusError(int(v))
	}
	s.next()
	return "", a.(error)
}

func (s *script) next() {
	if s.tries++; s.tries == metadataTries {
		s.tries = 0
		s.polls++
	}
}

func TestWaitInService(t *testing.T) {
	var cases []struct {
		Name     string
		Answers  []any
		MaxPolls int
		Result   string
		Exit     int
	}
	goldenfile.Read(t, "testdata/warm_pool.json", &cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limit := lifecycleAppears
				if c.MaxPolls > 0 {
					limit = c.MaxPolls
				}
				err := waitInService(t.Context(), &script{answers: c.Answers}, limit)
				if c.Exit == 0 && err != nil || c.Exit != 0 && (err == nil || ExitCode(err) != c.Exit || !strings.HasPrefix(err.Error(), "Could not determine target lifecycle of instance: ")) {
					t.Errorf("got %v, want exit %d", err, c.Exit)
				}
			})
		})
	}
}

func TestWarmPoolOutages(t *testing.T) {
	network := errors.New("connection refused")
	cases := []struct {
		name    string
		answers []any
		ok      bool
		polls   int
	}{
		{"a network error first", []any{network, "InService"}, true, 2},
		{"network errors after a state", []any{"Warmed:Running", network, network, "Warmed:Running", network, "InService"}, true, 6},
		{"not found for a moment", []any{"Warmed:Running", 404.0, "InService"}, true, 3},
		{"network errors for long", []any{"Warmed:Running", network}, false, 1 + lifecycleHiccups},
		{"throttled without end", []any{"Warmed:Running", 429.0, 429.0, 429.0, 429.0, 429.0, 429.0, "InService"}, true, 8},
		{"not there for two hours", []any{404.0}, false, lifecycleAppears},
		{"a service that is switched off", []any{imds.ErrDisabled}, false, 0},
		{"an empty state", []any{"", "InService"}, true, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: c.answers}
				err := WaitInService(t.Context(), s)
				if (err == nil) != c.ok || s.polls != c.polls {
					t.Errorf("got %v after %d polls, want %d", err, s.polls, c.polls)
				}
			})
		})
	}
}

func TestWarmPoolWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		if err := WaitInService(ctx, &script{answers: []any{"Warmed:Running"}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAskTriesFiveTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		md := metadata(nil)
		start := time.Now()
		_, err := InstanceID(t.Context(), md)
		took := time.Since(start)
		// 1 + 1.3 + 1.69 + 2.197 s and up to 20 % more
		if err == nil || md.calls[pathInstanceID] != 5 || took < 6187*time.Millisecond || took > 7425*time.Millisecond {
			t.Errorf("%d calls in %v: %v", md.calls[pathInstanceID], took, err)
		}
		md.values = map[string]string{pathZoneID: "usw2-az1\n"}
		if id, err := AvailabilityZoneID(t.Context(), md); err != nil || id != "usw2-az1" {
			t.Errorf("got %q, %v", id, err)
		}
		md.err[pathInstanceID] = fmt.Errorf("ec2 metadata: %w", imds.ErrBlackholed)
		md.calls = map[string]int{}
		if _, err := InstanceID(t.Context(), md); err == nil || md.calls[pathInstanceID] != 1 {
			t.Errorf("%d calls of a black-holed service", md.calls[pathInstanceID])
		}
	})
}

func TestLookUpVPC(t *testing.T) {
	values := map[string]string{
		pathMAC: "0a:00:00:00:00:01",
		pathInterfaces + "0a:00:00:00:00:01/vpc-id":    "vpc-1",
		pathInterfaces + "0a:00:00:00:00:01/subnet-id": "subnet-1",
	}
	const withoutMetadata = "tasks cannot have network interfaces of their own without instance metadata: set ECS_ENABLE_TASK_ENI=false, or let the agent use instance metadata"
	cases := []struct {
		name     string
		broken   string
		err      error
		required bool
		want     VPC
		exit     int
		text     string
	}{
		{"all there", "", nil, true, VPC{"0a:00:00:00:00:01", "vpc-1", "subnet-1"}, 0, ""},
		{"mac, required", "mac", errors.New("x"), true, VPC{}, 1, "unable to get mac address of instance's primary ENI from instance metadata: x"},
		{"vpc, required", "vpc-id", errors.New("x"), true, VPC{MAC: "0a:00:00:00:00:01"}, 5, "unable to get vpc id from instance metadata: x"},
		{"subnet, required", "subnet-id", errors.New("x"), true, VPC{MAC: "0a:00:00:00:00:01", ID: "vpc-1"}, 1, "unable to get subnet id from instance metadata: x"},
		{"switched off, required", "mac", fmt.Errorf("x: %w", imds.ErrDisabled), true, VPC{}, 5, "unable to get mac address of instance's primary ENI from instance metadata: " +
			"x: instance metadata is switched off: AWS_EC2_METADATA_DISABLED=true; " + withoutMetadata},
		{"none, required", "mac", imds.ErrBlackholed, true, VPC{}, 5, "unable to get mac address of instance's primary ENI from instance metadata: blackholed; " + withoutMetadata},
		{"switched off, informative", "mac", imds.ErrDisabled, false, VPC{}, 0, ""},
		{"mac, informative", "mac", errors.New("x"), false, VPC{}, 0, ""},
		{"subnet, informative", "subnet-id", statusError(404), false, VPC{MAC: "0a:00:00:00:00:01", ID: "vpc-1"}, 0, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				md := metadata(values)
				for path := range values {
					if c.broken != "" && strings.HasSuffix(path, c.broken) {
						md.err[path] = c.err
					}
				}
				began := time.Now()
				got, err := LookUpVPC(t.Context(), md, c.required)
				if imds.NeverAnswers(err) && time.Since(began) > 0 {
					t.Errorf("tried again for %v", time.Since(began))
				}
				if got != c.want {
					t.Errorf("got %+v, want %+v", got, c.want)
				}
				if c.exit == 0 && err != nil || c.exit != 0 && (err == nil || ExitCode(err) != c.exit || err.Error() != c.text) {
					t.Errorf("got %v, want exit %d %s", err, c.exit, c.text)
				}
			})
		})
	}
}

func TestAHiccupDoesNotFailTheVPCLookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []any{errors.New("x")}}
		s.tries = metadataTries - 1 // one failing try, then the next answer
		s.answers = append(s.answers, "0a", "vpc-1", "subnet-1")
		if got, err := LookUpVPC(t.Context(), s, true); err != nil || got != (VPC{"0a", "vpc-1", "subnet-1"}) {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestCheckCloudInit(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "result.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const none = `{"v1":{"datasource":"DataSourceNone","errors":[]}}`
	userData := metadata(map[string]string{pathUserData: "#!/bin/sh"})
	cases := []struct {
		name string
		path string
		md   *fakeMetadata
		exit bool
	}{
		{"user data never executed", file(none), userData, true},
		{"no user data", file(none), metadata(nil), false},
		{"empty user data", file(none), metadata(map[string]string{pathUserData: ""}), false},
		{"another data source", file(`{"v1":{"datasource":"DataSourceEc2Local"}}`), userData, false},
		{"none in another spelling", file(`{"v1":{"datasource":"DataSourceNoneAtAll"}}`), userData, false},
		{"no result", "/does/not/exist", userData, false},
		{"not JSON", file(`{`), userData, false},
	}
	for _, c := range cases {
		err := CheckCloudInit(t.Context(), c.md, c.path)
		if c.exit != (err != nil) || c.exit && ExitCode(err) != CodeTerminal {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

// fakeDrainer fails the given number of times.
type fakeDrainer struct {
	failures int
	calls    []string
}

func (d *fakeDrainer) DrainContainerInstance(_ context.Context, cluster, arn string) error {
	d.calls = append(d.calls, cluster+" "+arn)
	if len(d.calls) <= d.failures {
		return errors.New("out of order")
	}
	return nil
}

func TestSpotWatch(t *testing.T) {
	var cases []struct {
		Body        *string
		Drain       bool
		UpdateFails bool
	}
	goldenfile.Read(t, "testdata/spot.json", &cases)
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			md := metadata(map[string]string{})
			if c.Body != nil {
				md.values[pathSpotAction] = *c.Body
			}
			d := &fakeDrainer{}
			if c.UpdateFails {
				d.failures = 2
			}
			ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
			defer cancel()
			start := time.Now()
			if err := (&SpotWatch{Metadata: md, ECS: d, Cluster: "c", ContainerInstanceARN: "arn:ci"}).Run(ctx); err != nil {
				t.Fatal(err)
			}
			took := time.Since(start)
			if c.Drain {
				if len(d.calls) != d.failures+1 || d.calls[0] != "c arn:ci" || took != time.Duration(d.failures)*time.Second {
					t.Errorf("%v: calls %v in %v", c.Body, d.calls, took)
				}
			} else if len(d.calls) != 0 || took != 9500*time.Millisecond || md.calls[pathSpotAction] != 10 {
				t.Errorf("%v: calls %v, %d polls in %v", c.Body, d.calls, md.calls[pathSpotAction], took)
			}
		})
	}
}

func FuzzParseSpotNotice(f *testing.F) {
	f.Add(`{"action":"terminate","time":"2017-09-18T08:22:00Z"}`)
	f.Add(`{"action":1}`)
	f.Fuzz(func(t *testing.T, body string) {
		if action, err := parseSpotNotice(body); err == nil && action != "terminate" && action != "stop" && action != "hibernate" {
			t.Errorf("%q gives %q", body, action)
		}
	})
}
