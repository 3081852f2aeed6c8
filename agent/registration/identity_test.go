package registration

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/imds"
)

func TestInstanceIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		md := metadata(map[string]string{pathIdentity: "DOC", pathIdentitySign: "SIG"})
		creds := &fakeCredentials{}
		if doc, sig := instanceIdentity(t.Context(), md, creds); doc != "DOC" || sig != "SIG" || creds.invalidated != 0 {
			t.Errorf("got %q, %q, %+v", doc, sig, creds)
		}
	})
}

func TestIdentityFailureRefreshesTheCredentialsAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		md := metadata(map[string]string{pathIdentitySign: "SIG"})
		md.err[pathIdentity] = errors.New("timeout")
		creds := &fakeCredentials{}
		start := time.Now()
		doc, sig := instanceIdentity(t.Context(), md, creds)
		took := time.Since(start)
		if doc != "" || sig != "" || md.calls[pathIdentitySign] != 0 {
			t.Errorf("without the document the signature is worth nothing: %q, %q, %v", doc, sig, md.calls)
		}
		if took != identityBudget {
			t.Errorf("took %v", took)
		}
		if n := md.calls[pathIdentity]; n < 8 || creds.invalidated != n || creds.retrieved != n {
			t.Errorf("%d calls, credentials %+v", n, creds)
		}
	})
}

func TestDefiniteIdentityAnswersAreNotRepeated(t *testing.T) {
	for _, answer := range []error{imds.ErrBlackholed, statusError(404)} {
		md := metadata(nil)
		md.err[pathIdentity] = answer
		if doc, _ := instanceIdentity(t.Context(), md, &fakeCredentials{}); doc != "" || md.calls[pathIdentity] != 1 {
			t.Errorf("%v: %v", answer, md.calls)
		}
	}
}

func TestNoIdentityIsFetchedWhenSwitchedOff(t *testing.T) {
	ecs := &fakeECS{}
	r, md, _ := newRegistrar(ecs)
	q := request("c", "")
	q.Facts.Config.NoIID = true
	if _, err := r.Register(t.Context(), q); err != nil || md.calls[pathIdentity] != 0 || ecs.requests[0].IdentityDocument != "" {
		t.Errorf("%v, %v", err, md.calls)
	}
}
