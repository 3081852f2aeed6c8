package secret

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/amazon-ecs-agent/agent/awsapi"
	"github.com/aws/amazon-ecs-agent/agent/awsclient"
	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parameterStore answers every name with the name itself and the time.
type parameterStore struct {
	Services
	takes time.Duration // per call

	mu    sync.Mutex
	calls [][]string
	// fail may fail a call; it gets the id of the key it is signed with.
	fail func(ctx context.Context, keyID string, names []string) error
}

func (s *parameterStore) Parameters(ctx context.Context, _ string, keys awsclient.CredentialsProvider, names []string) (found []awsapi.Parameter, invalid []string, err error) {
	key, _ := keys.Retrieve(ctx)
	s.mu.Lock()
	s.calls = append(s.calls, slices.Clone(names))
	s.mu.Unlock()
	now := time.Now()
	time.Sleep(cmp.Or(s.takes, 30*time.Millisecond))
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if s.fail != nil {
		if err := s.fail(ctx, key.AccessKeyID, names); err != nil {
			return nil, nil, err
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, "/missing") {
			invalid = append(invalid, name)
		} else {
			found = append(found, awsapi.Parameter{Name: name, Value: name + " at " + now.Format(time.StampMilli)})
		}
	}
	return found, invalid, nil
}

// fleet are tasks of several roles on one host.
type fleet struct {
	t     *testing.T
	store *parameterStore
	craft *ssmSecrets
	tasks int
}

func newFleet(t *testing.T, store *parameterStore) *fleet {
	base := craft{services: store, roles: &credentials.Store{}, vault: &Vault{}}
	return &fleet{t: t, store: store, craft: &ssmSecrets{base, &reader{services: store}}}
}

// add gives a task with credentials of its own.
func (f *fleet) add(role string, names ...string) *task.Task {
	return f.addReceived(time.Now(), role, names...)
}

// addReceived gives a task that was on its way through the agent since a point in time.
func (f *fleet) addReceived(at time.Time, role string, names ...string) *task.Task {
	f.tasks++
	id := fmt.Sprintf("%s-%d", role, f.tasks)
	f.craft.roles.Set(credentials.Credentials{ID: id, RoleARN: "arn:" + role, AccessKeyID: id, SecretAccessKey: "s"})
	var secrets []task.Secret
	for _, name := range names {
		secrets = append(secrets, ssmSecret(name))
	}
	tk := withSecrets(secrets...)
	tk.ARN, tk.ExecutionCredentialsID, tk.Engine.ReceivedAt = "arn:"+id, id, at
	resources, err := f.craft.Plan(tk)
	if err != nil {
		f.t.Fatal(err)
	}
	tk.Resources = resources
	return tk
}

func (f *fleet) create(ctx context.Context, tk *task.Task) error {
	return f.craft.Create(ctx, tk, &tk.Resources[0])
}

// createAll creates the tasks' secrets side by side, a millisecond after each other, and gives what failed in order.
func (f *fleet) createAll(tasks ...*task.Task) []error {
	errs := make([]error, len(tasks))
	var all sync.WaitGroup
	for i, tk := range tasks {
		all.Go(func() { errs[i] = f.create(f.t.Context(), tk) })
		time.Sleep(time.Millisecond)
	}
	all.Wait()
	return errs
}

func (f *fleet) wantAll(errs []error) {
	f.t.Helper()
	for i, err := range errs {
		if err != nil {
			f.t.Errorf("task %d: %v", i, err)
		}
	}
}

func (f *fleet) wantCalls(want int) {
	f.t.Helper()
	if got := len(f.store.calls); got != want {
		f.t.Errorf("%d calls, want %d", got, want)
	}
	f.store.calls = nil
}

// named gives n names from first on.
func named(first, n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("/p/%d", first+i))
	}
	return names
}

func TestTasksOfARoleShareCalls(t *testing.T) {
	cases := []struct {
		name  string
		names func(i int) []string
		calls int // of 50 tasks
	}{
		{"the same 20 names", func(int) []string { return named(0, 20) }, 2},
		{"20 names of their own", func(i int) []string { return named(20*i, 20) }, 100},
		{"7 names of their own", func(i int) []string { return named(7*i, 7) }, 35},
		{"15 names of their own", func(i int) []string { return named(15*i, 15) }, 75},
		{"names that overlap", func(i int) []string { return named(10*i, 20) }, 51},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, &parameterStore{})
				var tasks []*task.Task
				for i := range 50 {
					tasks = append(tasks, f.add("role", c.names(i)...))
				}
				f.wantAll(f.createAll(tasks...))
				for i, tk := range tasks {
					for j, name := range c.names(i) {
						if value, err := f.craft.vault.Secret(tk, tk.Containers[0].Secrets[j]); err != nil || !strings.HasPrefix(value, name+" at ") {
							t.Errorf("task %d: %s: %q, %v", i, name, value, err)
						}
					}
				}
				f.wantCalls(c.calls)
				time.Sleep(joinFor)
				synctest.Wait()
				if len(f.craft.parameters.pools) > 0 {
					t.Error("values are held although nobody can be given them")
				}
			})
		})
	}
}

func TestRolesDoNotShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, &parameterStore{})
		f.wantAll(f.createAll(f.add("one", "/p"), f.add("two", "/p"), f.add("one", "/p")))
		f.wantCalls(2)
	})
}

// A parameter that was changed a while before the task came is read anew.
func TestValuesAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, &parameterStore{})
		value := func() string {
			tk := f.add("role", "/p")
			f.wantAll(f.createAll(tk))
			v, _ := f.craft.vault.Secret(tk, tk.Containers[0].Secrets[0])
			return v
		}
		first := value()
		if again := value(); again != first {
			t.Errorf("%q and %q", first, again)
		}
		f.wantCalls(1)
		time.Sleep(joinFor)
		if later := value(); later == first {
			t.Error("an old value for a new task")
		}
		f.wantCalls(1)
	})
}

var errDenied = errors.New("AccessDeniedException: not authorized to perform ssm:GetParameters")

func denying(name string) func(context.Context, string, []string) error {
	return func(_ context.Context, _ string, names []string) error {
		if slices.Contains(names, name) {
			return errDenied
		}
		return nil
	}
}

// A name that the role may not read fails its own task alone, and so do credentials that have expired.
func TestOneTaskDoesNotFailTheOthers(t *testing.T) {
	cases := []struct {
		name string
		fail func(ctx context.Context, keyID string, names []string) error
	}{
		{"a name that is denied", denying("/bad")},
		{"credentials that are refused", func(_ context.Context, keyID string, _ []string) error {
			if keyID == "role-1" {
				return errDenied
			}
			return nil
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, &parameterStore{fail: c.fail})
				errs := f.createAll(f.add("role", "/bad"), f.add("role", "/a", "/b"), f.add("role", "/a"))
				wantError(t, errs[0], "fetching secret data from SSM Parameter Store in us-west-2: "+errDenied.Error())
				f.wantAll(errs[1:])
			})
		})
	}
	t.Run("a name that does not exist", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, &parameterStore{})
			errs := f.createAll(f.add("role", "/missing", "/a"), f.add("role", "/a", "/b"))
			wantError(t, errs[0], "fetching secret data from SSM Parameter Store in us-west-2: invalid parameters: /missing")
			f.wantAll(errs[1:])
			f.wantCalls(1)
		})
	})
}

// A call that was tried to its end is not made again for each of those who waited, but for whoever comes later.
func TestThrottledCallsAreNotMultiplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttled := &awsclient.ExhaustedError{Attempts: 3, Err: errors.New("ThrottlingException: Rate exceeded")}
		f := newFleet(t, &parameterStore{fail: func(context.Context, string, []string) error { return throttled }})
		for i, err := range f.createAll(f.add("role", "/a"), f.add("role", "/a"), f.add("role", "/b")) {
			if err == nil || err.Error() != "fetching secret data from SSM Parameter Store in us-west-2: ThrottlingException: Rate exceeded" {
				t.Errorf("task %d: %v", i, err)
			}
		}
		f.wantCalls(1)
		f.store.fail = nil
		f.wantAll(f.createAll(f.add("role", "/a")))
		f.wantCalls(1)
	})
}

// A call that hangs holds up those who share it; not another role, and not whoever comes later.
func TestAHangingCallStallsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		f := newFleet(t, &parameterStore{fail: func(ctx context.Context, keyID string, _ []string) error {
			if keyID == "slow-1" {
				<-ctx.Done()
				close(released)
				return ctx.Err()
			}
			return nil
		}})
		ctx, stop := context.WithCancel(t.Context())
		var hanging sync.WaitGroup
		slow := f.add("slow", "/a")
		hanging.Go(func() {
			if err := f.create(ctx, slow); !errors.Is(ctx.Err(), context.Canceled) || err == nil {
				t.Errorf("the task that was stopped: %v", err)
			}
		})
		synctest.Wait()
		start := time.Now()
		f.wantAll(f.createAll(f.add("other", "/a")))
		time.Sleep(joinFor)
		f.wantAll(f.createAll(f.add("slow", "/a")))
		if took := time.Since(start); took > 2*joinFor {
			t.Errorf("others waited %v", took)
		}
		stop()
		hanging.Wait()
		<-released
	})
}

// A task that is stopped gives up its own wait alone.
func TestATaskThatGivesUpLeavesTheOthersTheirCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, &parameterStore{})
		ctx, stop := context.WithCancel(t.Context())
		first, second := f.add("role", "/a"), f.add("role", "/a")
		var all sync.WaitGroup
		all.Go(func() {
			if f.create(ctx, first) == nil {
				t.Error("no error")
			}
		})
		synctest.Wait()
		all.Go(func() { f.wantAll([]error{f.create(t.Context(), second)}) })
		synctest.Wait()
		stop()
		all.Wait()
		f.wantCalls(1)
	})
}

// Tasks come, want and give up at random; the race detector and goleak look on.
func TestReadsAtRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		f := newFleet(t, &parameterStore{})
		var all sync.WaitGroup
		for range 300 {
			tk := f.add(fmt.Sprintf("role%d", random.IntN(3)), named(random.IntN(40), 1+random.IntN(25))...)
			limit, wait := time.Duration(random.IntN(120))*time.Millisecond, time.Duration(random.IntN(2000))*time.Millisecond
			all.Go(func() {
				time.Sleep(wait)
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				if err := f.create(ctx, tk); err != nil && ctx.Err() == nil {
					t.Errorf("%v though nobody gave up", err)
				}
			})
		}
		all.Wait()
		time.Sleep(2 * joinFor)
		synctest.Wait()
		if n := len(f.craft.parameters.pools); n > 0 {
			t.Errorf("%d pools left", n)
		}
	})
}

func TestVersionsOfAParameterAreToldApart(t *testing.T) {
	newest := awsapi.Parameter{Name: "/p", ARN: "arn:p", Value: "newest"}
	third := awsapi.Parameter{Name: "/p", ARN: "arn:p", Value: "third", Selector: ":3"}
	for _, found := range [][]awsapi.Parameter{{newest, third}, {third, newest}} {
		for name, want := range map[string]string{"/p": "newest", "arn:p": "newest", "/p:3": "third", "arn:p:3": "third"} {
			if value, has := valueOf(found, name); !has || value != want {
				t.Errorf("%s: %q, %v", name, value, has)
			}
		}
	}
	if _, has := valueOf([]awsapi.Parameter{newest}, "/q"); has {
		t.Error("a parameter that nobody asked for")
	}
}

// A registry's password that is also wanted in a variable is read once.
func TestASecretIsReadOnceWhateverItIsFor(t *testing.T) {
	b := newBench(&fakeServices{secrets: map[awsapi.SecretID]string{{ID: secretDB}: `{"username":"u","password":"p"}`}})
	tk := withSecrets(asmSecret(secretDB+":password::"), asmSecret(secretDB))
	tk.Containers[0].RegistryAuth = &task.RegistryAuth{Type: task.RegistryASM, ASM: &task.ASMAuthData{CredentialsParameter: secretDB, Region: "us-west-2"}}
	if err := b.create(t, tk); err != nil {
		t.Fatal(err)
	}
	check(t, "reads", b.services.reads, []string{"us-west-2 " + secretDB})
	Kinds(b.services, b.roles, b.vault).Release(t.Context(), tk)
	if len(b.vault.texts) > 0 {
		t.Error("the secret is still held")
	}
}
