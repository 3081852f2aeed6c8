package awsclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

const roleDocument = `{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"AKROLE","SecretAccessKey":"s","Token":"t","Expiration":%q}`

func roleMetadata(expires time.Time) fakeMetadata {
	return fakeMetadata{
		"meta-data/iam/security-credentials/":    "web\n",
		"meta-data/iam/security-credentials/web": fmt.Sprintf(roleDocument, expires.UTC().Format(time.RFC3339)),
	}
}

// noNetwork fails every HTTP call.
var noNetwork = &http.Client{Transport: roundTripFunc(func(r *http.Request) (*http.Response, error) {
	return nil, errors.New("no network in this test")
})}

func TestChainOrder(t *testing.T) {
	type vars = map[string]string
	envKeys := vars{"AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"}
	keys := func(id string) string {
		return "aws_access_key_id=" + id + "\naws_secret_access_key=s\n"
	}
	rotating := map[string]string{"/rotatingcreds/credentials": "[default]\n" + keys("AKROT") + "[other]\n" + keys("AKOTHER")}
	shared := map[string]string{"/home/ecs/.aws/credentials": "[default]\n" + keys("AKFILE") + "[dev]\n" + keys("AKDEV")}
	config := map[string]string{"/home/ecs/.aws/config": "[profile dev]\n" + keys("AKCONF") + "[profile conf]\n" + keys("AKCONF")}
	all := func(sets ...map[string]string) map[string]string {
		merged := map[string]string{}
		for _, s := range sets {
			for k, v := range s {
				merged[k] = v
			}
		}
		return merged
	}
	role := roleMetadata(time.Now().Add(time.Hour))
	cases := []struct {
		name     string
		external bool
		env      vars
		files    map[string]string
		metadata Metadata
		profile  string
		want     string // "source key id"
	}{
		{"EC2: environment first", false, envKeys, all(rotating, shared), role, "", "EnvProvider AKENV"},
		{"EC2: shared file before role", false, nil, all(rotating, shared), role, "", "SharedConfigCredentials AKFILE"},
		{"EC2: profile of the shared files", false, vars{"AWS_PROFILE": "conf"}, all(shared, config), role, "", "SharedConfigCredentials AKCONF"},
		{"EC2: credentials file over config file", false, vars{"AWS_PROFILE": "dev"}, all(shared, config), role, "", "SharedConfigCredentials AKDEV"},
		{"EC2: role before rotating file", false, nil, rotating, role, "", "EC2RoleProvider AKROLE"},
		{"EC2: rotating file last", false, nil, rotating, fakeMetadata{}, "", "RotatingSharedCredentialsProvider AKROT"},
		{"external: environment first", true, envKeys, all(rotating, shared), role, "", "EnvProvider AKENV"},
		{"external: rotating before shared file", true, nil, all(rotating, shared), role, "", "RotatingSharedCredentialsProvider AKROT"},
		{"external: rotating profile", true, nil, rotating, role, "other", "RotatingSharedCredentialsProvider AKOTHER"},
		{"external: shared file", true, vars{"AWS_PROFILE": "dev"}, shared, role, "", "SharedCredentialsProvider AKDEV"},
		{"external: named credentials file", true, vars{"AWS_SHARED_CREDENTIALS_FILE": "/x"}, map[string]string{"/x": "[default]\n" + keys("AKX")}, role, "", "SharedCredentialsProvider AKX"},
		{"external: config file does not count", true, vars{"AWS_PROFILE": "conf"}, config, role, "", "EC2RoleProvider AKROLE"},
		{"a provider without a secret does not count", true, vars{"AWS_ACCESS_KEY_ID": "AKENV"}, rotating, role, "", "RotatingSharedCredentialsProvider AKROT"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cache := NewInstanceCredentials(ChainOptions{
				External: c.external, Region: "us-west-2", RotatingProfile: c.profile, Metadata: c.metadata,
				HTTP: noNetwork, Environment: env(c.env, c.files),
			})
			got, err := cache.Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if id := got.Source + " " + got.AccessKeyID; id != c.want {
				t.Errorf("got %s, want %s", id, c.want)
			}
		})
	}
}

func TestChainNamesEveryFailure(t *testing.T) {
	cache := NewInstanceCredentials(ChainOptions{External: true, HTTP: noNetwork, Environment: env(nil, nil), Metadata: fakeMetadata{}})
	_, err := cache.Retrieve(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "no valid providers in chain: ") {
		t.Fatalf("got %v", err)
	}
	for _, name := range []string{"EnvProvider", "RotatingSharedCredentialsProvider", "SharedCredentialsProvider", "EC2RoleProvider"} {
		if !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is missing in %v", name, err)
		}
	}
}

func TestContainerCredentials(t *testing.T) {
	var seen *http.Request
	client := &http.Client{Transport: roundTripFunc(func(r *http.Request) (*http.Response, error) {
		seen = r
		return reply(200, nil, `{"AccessKeyId":"AKC","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}`), nil
	})}
	type vars = map[string]string
	cases := []struct {
		name      string
		env       vars
		wantURL   string // "" = refused
		wantToken string
	}{
		{"relative", vars{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/x"}, "http://169.254.170.2/v2/credentials/x", ""},
		{"full, loopback, token", vars{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/c", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "tok"}, "http://127.0.0.1:9/c", "tok"},
		{"full, token file", vars{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/c", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/token"}, "http://169.254.170.23/c", "from file"},
		{"full, https anywhere", vars{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "https://creds.test/c"}, "https://creds.test/c", ""},
		{"full, http elsewhere", vars{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://creds.test/c"}, "", ""},
		{"not set", nil, "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			seen = nil
			s := containerSource{env: env(c.env, map[string]string{"/token": "from file\n"}), http: client}
			l, err := s.fetch(t.Context())
			if c.wantURL == "" {
				if err == nil || seen != nil {
					t.Fatalf("want an error and no request, got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if seen.URL.String() != c.wantURL || seen.Header.Get("Authorization") != c.wantToken || l.AccessKeyID != "AKC" || l.SessionToken != "t" {
				t.Errorf("asked %s with %q, got %v", seen.URL, seen.Header.Get("Authorization"), l)
			}
		})
	}
}

// fakeSTS answers the STS calls and keeps their parameters.
type fakeSTS struct {
	calls []url.Values
	auth  []string
}

func (f *fakeSTS) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	f.calls, f.auth = append(f.calls, form), append(f.auth, r.Header.Get("Authorization"))
	action := form.Get("Action")
	return reply(200, nil, fmt.Sprintf(`<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials>
<AccessKeyId>AKSTS</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>
</Credentials></%[1]sResult></%[1]sResponse>`, action)), nil
}

func TestWebIdentity(t *testing.T) {
	sts := &fakeSTS{}
	cache := NewInstanceCredentials(ChainOptions{
		Region: "us-west-2", HTTP: &http.Client{Transport: sts}, Metadata: fakeMetadata{},
		Environment: env(map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/token", "AWS_ROLE_ARN": "arn:role", "AWS_ROLE_SESSION_NAME": "me"},
			map[string]string{"/token": "jwt\n"}),
	})
	got, err := cache.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessKeyID != "AKSTS" || got.SessionToken != "t" || got.Expires.Year() != 2099 || got.Source != "WebIdentityCredentials" {
		t.Errorf("got %v", got)
	}
	want := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:role"}, "RoleSessionName": {"me"}, "WebIdentityToken": {"jwt"}}
	if len(sts.calls) != 1 || sts.calls[0].Encode() != want.Encode() || sts.auth[0] != "" {
		t.Errorf("calls %v, signed %q", sts.calls, sts.auth)
	}
}

func TestProfiles(t *testing.T) {
	const config = `
[profile assume]
role_arn = arn:role
source_profile = base
external_id = ext
duration_seconds = 900
[profile base]
aws_access_key_id = AKBASE
aws_secret_access_key = s
[profile self]
role_arn = arn:role
source_profile = self
aws_access_key_id = AKSELF
aws_secret_access_key = s
[profile instance]
role_arn = arn:role
credential_source = Ec2InstanceMetadata
[profile circle]
role_arn = arn:role
source_profile = circle2
[profile circle2]
role_arn = arn:role
source_profile = circle
[profile odd]
role_arn = arn:role
credential_source = Moon
[profile mfa]
role_arn = arn:role
mfa_serial = x
source_profile = base
[profile sso]
sso_session = x
[profile web]
role_arn = arn:role
web_identity_token_file = /token
[profile process]
credential_process = echo '{"Version":1,"AccessKeyId":"AKPROC","SecretAccessKey":"s","SessionToken":"t"}'
[profile badprocess]
credential_process = echo secret; exit 3
[profile empty]
region = x
`
	cases := []struct{ profile, wantKey, wantSigner, wantErr string }{
		{"assume", "AKSTS", "AKBASE", ""},
		{"self", "AKSTS", "AKSELF", ""},
		{"instance", "AKSTS", "AKROLE", ""},
		{"web", "AKSTS", "", ""},
		{"process", "AKPROC", "", ""},
		{"circle", "", "", "its own source_profile"},
		{"odd", "", "", `credential_source "Moon"`},
		{"mfa", "", "", "without MFA"},
		{"sso", "", "", "not supported"},
		{"badprocess", "", "", "exit status 3"},
		{"empty", "", "", "no access key pair"},
		{"unknown", "", "", "no access key pair"},
	}
	for _, c := range cases {
		t.Run(c.profile, func(t *testing.T) {
			sts := &fakeSTS{}
			e := env(map[string]string{"AWS_PROFILE": c.profile}, map[string]string{"/home/ecs/.aws/config": config, "/token": "jwt"})
			client := &http.Client{Transport: sts}
			s := profileSource{
				env: e, sts: stsClient{region: "us-west-2", env: e, http: client},
				environment: envSource{e}, container: containerSource{e, client}, role: roleSource{roleMetadata(time.Now().Add(time.Hour))},
			}
			l, err := s.fetch(t.Context())
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %v, want %q", err, c.wantErr)
				}
				return
			}
			if err != nil || l.AccessKeyID != c.wantKey {
				t.Fatalf("got %v, %v", l, err)
			}
			if c.wantSigner != "" && !strings.Contains(sts.auth[0], "Credential="+c.wantSigner+"/") {
				t.Errorf("signed by %s", sts.auth[0])
			}
			if c.profile == "assume" && (sts.calls[0].Get("ExternalId") != "ext" || sts.calls[0].Get("DurationSeconds") != "900") {
				t.Errorf("call %v", sts.calls[0])
			}
		})
	}
}

// countingSource gives credentials that live for the given time; it can be made to fail.
type countingSource struct {
	life  time.Duration
	fail  bool
	calls int
}

func (*countingSource) name() string { return "counting" }

func (s *countingSource) fetch(context.Context) (lease, error) {
	s.calls++
	if s.fail {
		return lease{}, errors.New("out of order")
	}
	c := Credentials{AccessKeyID: fmt.Sprint("AK", s.calls), SecretAccessKey: "s"}
	if s.life > 0 {
		c.Expires = time.Now().Add(s.life)
	}
	return temporary(c, time.Now()), nil
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &countingSource{life: time.Hour}
		cache := newCache(s)
		expect := func(want string) {
			t.Helper()
			got, err := cache.Retrieve(t.Context())
			if err != nil || got.AccessKeyID != want {
				t.Errorf("at %v: got %v, %v; want %s", time.Now(), got, err, want)
			}
		}
		expect("AK1")
		time.Sleep(54 * time.Minute)
		expect("AK1") // not due yet
		time.Sleep(time.Minute)
		expect("AK2") // five minutes before the expiry
		cache.Invalidate()
		expect("AK3")
		time.Sleep(56 * time.Minute)
		s.fail = true
		expect("AK3") // due, cannot be refreshed, still valid
		calls := s.calls
		time.Sleep(10 * time.Second)
		expect("AK3")
		if s.calls != calls {
			t.Error("a failed refresh must not be repeated for every request")
		}
		time.Sleep(30 * time.Second)
		expect("AK3")
		if s.calls != calls+1 {
			t.Error("a failed refresh is tried again after a while")
		}
		time.Sleep(4 * time.Minute)
		if _, err := cache.Retrieve(t.Context()); err == nil {
			t.Error("expired credentials that cannot be refreshed are an error")
		}
		s.fail = false
		expect("AK7")
	})
}

func TestCacheKeepsStaticKeysForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &countingSource{}
		cache := newCache(s)
		for range 3 {
			if _, err := cache.Retrieve(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1000 * time.Hour)
		}
		if s.calls != 1 {
			t.Errorf("%d fetches", s.calls)
		}
	})
}

func TestCacheWaitersGiveUpWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		cache := newCache(sourceFunc(func(context.Context) (lease, error) {
			<-release
			return keep(Credentials{AccessKeyID: "AK", SecretAccessKey: "s"}), nil
		}))
		done := make(chan error, 2)
		go func() { _, err := cache.Retrieve(t.Context()); done <- err }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := cache.Retrieve(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

type sourceFunc func(context.Context) (lease, error)

func (sourceFunc) name() string                               { return "func" }
func (f sourceFunc) fetch(ctx context.Context) (lease, error) { return f(ctx) }

func TestRotatingFileIsReadAgainAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := map[string]string{"/rotatingcreds/credentials": "[default]\naws_access_key_id=AKONE\naws_secret_access_key=s"}
		cache := NewInstanceCredentials(ChainOptions{External: true, Environment: env(nil, files), HTTP: noNetwork})
		get := func() string {
			c, err := cache.Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return c.AccessKeyID
		}
		first := get()
		files["/rotatingcreds/credentials"] = "[default]\naws_access_key_id=AKTWO\naws_secret_access_key=s"
		time.Sleep(59 * time.Second)
		if got := get(); first != "AKONE" || got != "AKONE" {
			t.Errorf("got %s, %s", first, got)
		}
		time.Sleep(time.Second)
		if got := get(); got != "AKTWO" {
			t.Errorf("after a minute: %s", got)
		}
	})
}

func TestExpiredRoleCredentialsAreUsedAndAskedForAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		md := roleMetadata(time.Now().Add(-time.Minute))
		cache := NewInstanceCredentials(ChainOptions{Metadata: md, Environment: env(nil, nil), HTTP: noNetwork})
		if c, err := cache.Retrieve(t.Context()); err != nil || c.AccessKeyID != "AKROLE" {
			t.Fatalf("got %v, %v", c, err)
		}
		md["meta-data/iam/security-credentials/web"] = `{"AccessKeyId":"AKNEW","SecretAccessKey":"s"}`
		time.Sleep(time.Minute)
		if c, err := cache.Retrieve(t.Context()); err != nil || c.AccessKeyID != "AKNEW" {
			t.Errorf("got %v, %v", c, err)
		}
	})
}

func TestSecretsDoNotShow(t *testing.T) {
	const canary = "kanarienvogel"
	var log bytes.Buffer
	logger.Setup(logger.Options{Driver: &log})
	defer func() { logger.Setup(logger.Options{Driver: io.Discard}) }()

	files := map[string]string{"/rotatingcreds/credentials": "[default]\naws_access_key_id=AKIA" + canary + "1234\naws_secret_access_key=" + canary + "\naws_session_token=" + canary}
	cache := NewInstanceCredentials(ChainOptions{External: true, Environment: env(nil, files), HTTP: noNetwork})
	c, err := cache.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	printed := fmt.Sprintf("%v %+v %#v %s", c, c, c, &c)
	if all := printed + log.String(); strings.Contains(all, canary) {
		t.Errorf("a secret shows in %s", all)
	}
	if !strings.Contains(log.String(), "Access Key ID XXXX1234") || !strings.Contains(log.String(), "RotatingSharedCredentialsProvider") {
		t.Errorf("the log names provider and masked key id; got %s", log.String())
	}
	md := fakeMetadata{"meta-data/iam/security-credentials/": "r", "meta-data/iam/security-credentials/r": canary}
	if _, err := (roleSource{md}).fetch(t.Context()); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("got %v", err)
	}
}
