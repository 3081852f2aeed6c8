package credentials

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/amazon-ecs-agent/agent/credentials"
	"github.com/aws/amazon-ecs-agent/agent/httpd"
	"github.com/aws/amazon-ecs-agent/agent/httpd/audit"
)

func store() *credentials.Store {
	s := &credentials.Store{}
	c := credentials.Credentials{
		ID: "known", TaskARN: "arn:task", RoleARN: "arn:aws:iam::111122223333:role/ecsTaskRole", RoleType: credentials.Application, AccessKeyID: "ASIAIOSFODNN7EXAMPLE",
		SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", SessionToken: "IQoJb3JpZ2luX2VjEXAMPLETOKEN==", Expiration: "2025-03-04T11:06:07Z",
	}
	s.Set(c)
	c.ID, c.RoleType = "exec", credentials.Execution
	s.Set(c)
	s.Expect("pending")
	return s
}

const good = `{"RoleArn":"arn:aws:iam::111122223333:role/ecsTaskRole","AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY","Token":"IQoJb3JpZ2luX2VjEXAMPLETOKEN==","Expiration":"2025-03-04T11:06:07Z"}`

func TestCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		log := audit.New("default", "arn:ci", &lines)
		routes := &httpd.Router{}
		Register(routes, store(), log)
		failure := func(code, message string, status int) string {
			return fmt.Sprintf(`{"code":"%s","message":"%s","HTTPErrorCode":%d}`, code, message, status)
		}
		want := ""
		for _, test := range []struct {
			path   string
			status int
			body   string
			audit  string
		}{
			{"/v1/credentials?id=known", 200, good, "arn:task GetCredentials 2 default arn:ci"},
			{"/v1/credentials", 400, failure("NoIdInRequest", "CredentialsV1Request: No Credential ID in the request", 400), "- "},
			{"/v1/credentials?id=", 400, failure("NoIdInRequest", "CredentialsV1Request: No Credential ID in the request", 400), "- "},
			{"/v1/credentials?id=nope", 400, failure("InvalidIdInRequest", "CredentialsV1Request: Credentials not found", 400), "- "},
			{"/v1/credentials?id=pending", 503, failure("CredentialsUninitialized", "CredentialsV1Request: Credentials uninitialized for ID", 503), "- "},
			{"/v2/credentials/known", 200, good, "arn:task GetCredentials 2 default arn:ci"},
			{"/v2/credentials/exec", 200, good, "arn:task GetCredentialsExecutionRole 2 default arn:ci"},
			{"/v2/credentials/", 400, failure("NoIdInRequest", "CredentialsV2Request: No Credential ID in the request", 400), "- "},
			{"/v2/credentials/nope", 400, failure("InvalidIdInRequest", "CredentialsV2Request: Credentials not found", 400), "- "},
			{"/v2/credentials/pending", 503, failure("CredentialsUninitialized", "CredentialsV2Request: Credentials uninitialized for ID", 503), "- "},
		} {
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", test.path, nil)
			routes.ServeHTTP(w, r)
			if w.Code != test.status || w.Body.String() != test.body || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s: %d %v\n%s\nwant %d\n%s", test.path, w.Code, w.Header(), w.Body, test.status, test.body)
			}
			path := "/v2/credentials"
			if strings.HasPrefix(test.path, "/v1") {
				path = "/v1/credentials"
			}
			want += fmt.Sprintf("2000-01-01T00:00:00Z %d %s %q \"\" %s\n", test.status, r.RemoteAddr, path, test.audit)
		}
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, httptest.NewRequest("GET", "/v2/credentials", nil))
		if w.Code != 404 || w.Body.String() != "404 page not found\n" {
			t.Errorf("%d %q", w.Code, w.Body)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		log.Run(ctx)
		if lines.String() != want {
			t.Errorf("audit log\n%s\nwant\n%s", lines.String(), want)
		}
	})
}

func TestAnswersFollowTheStore(t *testing.T) {
	s := store()
	routes := &httpd.Router{}
	Register(routes, s, nil)
	ask := func(id string) string {
		w := httptest.NewRecorder()
		routes.ServeHTTP(w, httptest.NewRequest("GET", "/v2/credentials/"+id, nil))
		return w.Body.String()
	}
	for _, key := range []string{"FIRST", "SECOND"} {
		s.Set(credentials.Credentials{ID: "known", AccessKeyID: key})
		for range 2 {
			if got := ask("known"); !strings.Contains(got, key) {
				t.Errorf("no %s in %s", key, got)
			}
		}
	}
	s.Remove("known")
	if got := ask("known"); strings.Contains(got, "SECOND") {
		t.Error(got)
	}
}

func TestKeptAnswersAreBoundedAndForgotten(t *testing.T) {
	s := &credentials.Store{}
	a := answers{store: s, kept: map[string]kept{}}
	for i := range 3 * maxAnswers {
		id := fmt.Sprint(i)
		s.Set(credentials.Credentials{ID: id})
		c, _ := s.Get(id)
		a.of(id, c)
	}
	if len(a.kept) > maxAnswers {
		t.Errorf("%d kept", len(a.kept))
	}
	for i := range 3 * maxAnswers {
		s.Remove(fmt.Sprint(i))
	}
	s.Set(credentials.Credentials{ID: "new"})
	c, _ := s.Get("new")
	if a.of("new", c); len(a.kept) != 1 {
		t.Errorf("%d kept of credentials that are gone", len(a.kept)-1)
	}
}
