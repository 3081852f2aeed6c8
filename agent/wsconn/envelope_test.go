package wsconn

import (
	"encoding/json"
	"errors"
	"testing"
)

var errorTypes = []string{"ServerException"}

func TestDecode(t *testing.T) {
	cases := []struct {
		name, frame, wantType, wantBody string
		wantErr                         error
	}{
		{"envelope", `{"type":"A","message":{"x":1}}`, "A", `{"x":1}`, nil},
		{"names in any case", `{"TYPE":"A","Message":[]}`, "A", `[]`, nil},
		{"null message", `{"type":"A","message":null}`, "A", `null`, nil},
		{"no message", `{"type":"A"}`, "A", ``, errNoBody},
		{"bare error", `{"ServerException":"boom"}`, "ServerException", `{"message":"boom"}`, nil},
		{"bare error of unknown type", `{"OtherException":"boom"}`, "", ``, ErrFormat},
		{"bare error that is no string", `{"ServerException":{"message":"x"}}`, "", ``, ErrFormat},
		{"bare null", `{"ServerException":null}`, "", ``, ErrFormat},
		{"two members", `{"ServerException":"a","b":"c"}`, "", ``, ErrFormat},
		{"empty object", `{}`, "", ``, ErrFormat},
		{"type is a number", `{"type":1,"message":{}}`, "", ``, ErrFormat},
		{"list", `[]`, "", ``, ErrFormat},
		{"null", `null`, "", ``, ErrFormat},
		{"text", `hello`, "", ``, ErrFormat},
		{"nothing", ``, "", ``, ErrFormat},
		{"half", `{"type":"A","message":{`, "", ``, ErrFormat},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := Decode([]byte(c.frame), errorTypes)
			if m.Type != c.wantType || string(m.Body) != c.wantBody || !errors.Is(err, c.wantErr) {
				t.Errorf("%q %q %v", m.Type, m.Body, err)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	got, err := Encode("A", map[string]string{"text": "<a&b>"})
	if err != nil || string(got) != `{"type":"A","message":{"text":"<a&b>"}}` {
		t.Errorf("%s, %v", got, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"A","message":{"x":1}}`))
	f.Add([]byte(`{"ServerException":"boom"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data, errorTypes)
		if err == nil && (m.Type == "" || !json.Valid(m.Body)) {
			t.Errorf("%q gives %q %q", data, m.Type, m.Body)
		}
		if err == nil {
			m.ServiceError(errorTypes)
		}
	})
}
