package awsdata

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/faults"
)

const (
	contentType = "application/x-amz-json-1.1"
	maxBody     = 1 << 20
	// tokenLife is that of Amazon ECR's tokens.
	tokenLife = 12 * time.Hour
	// maxParameters is how many one call may ask for.
	maxParameters = 10
)

// operations of AWS JSON 1.1 by X-Amz-Target.
var operations = map[string]func(*Data, []byte) (any, error){
	"AmazonSSM.GetParameters":                                    op((*Data).getParameters),
	"secretsmanager.GetSecretValue":                              op((*Data).getSecretValue),
	"AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken": op((*Data).getAuthorizationToken),
}

func op[In any](run func(*Data, *In) (any, error)) func(*Data, []byte) (any, error) {
	return func(d *Data, body []byte) (any, error) {
		in := new(In)
		if len(body) > 0 {
			if err := json.Unmarshal(body, in); err != nil {
				return nil, ecs.Errorf("SerializationException", "The request body is not valid JSON: %v.", err)
			}
		}
		return run(d, in)
	}
}

// Handler answers calls; faults may be nil.
type Handler struct {
	*Data
	Faults *faults.Set
}

// Handles reports whether a request is for one of these services.
func (h *Handler) Handles(r *http.Request) bool {
	_, known := operations[r.Header.Get("X-Amz-Target")]
	return known || forS3(r)
}

// ServeHTTP answers a request that Handles has taken.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := "X-Amzn-Requestid"
	if forS3(r) {
		id = "X-Amz-Request-Id"
	}
	w.Header().Set(id, control.NewUUID())
	operation, body, answer := "", []byte(nil), http.HandlerFunc(nil)
	if forS3(r) {
		operation, answer = s3Operation(r), h.serveS3
	} else {
		target := r.Header.Get("X-Amz-Target")
		_, operation, _ = strings.Cut(target, ".")
		body, _ = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)) // what is cut off is no JSON
		answer = func(w http.ResponseWriter, _ *http.Request) {
			out, err := operations[target](h.Data, body)
			reply(w, out, err)
		}
	}
	h.count(operation)
	if h.Faults != nil {
		h.Faults.Wrap(operation, body, w, r, answer)
		return
	}
	answer(w, r)
}

func reply(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", contentType)
	if err != nil {
		e, known := err.(*ecs.Error)
		if !known {
			e = ecs.Errorf("InternalFailure", "%v", err)
		}
		w.Header().Set("X-Amzn-ErrorType", e.Type)
		w.WriteHeader(e.HTTPStatus())
		out = map[string]string{"__type": e.Type, "message": e.Message}
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(out) // the caller is gone
}

type getParametersInput struct{ Names []string }

func (d *Data) getParameters(in *getParametersInput) (any, error) {
	type parameter struct {
		Name, ARN, Value, Type string
		Version                int
		Selector               string `json:",omitempty"`
	}
	out := struct {
		Parameters        []parameter
		InvalidParameters []string
	}{[]parameter{}, []string{}}
	if len(in.Names) == 0 || len(in.Names) > maxParameters {
		return nil, ecs.Errorf("ValidationException", "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length between 1 and %d.", maxParameters)
	}
	known, err := d.parameters()
	if err != nil {
		return nil, err
	}
	for _, asked := range in.Names {
		name, has := d.parameterName(asked, known)
		selector := ""
		if !has {
			asked, selector = cutSelector(asked)
			name, has = d.parameterName(asked, known)
		}
		number, exists := pick(known[name], selector)
		if !has || !exists {
			out.InvalidParameters = append(out.InvalidParameters, asked+selector)
			continue
		}
		out.Parameters = append(out.Parameters, parameter{Name: name, ARN: d.parameterARN(name), Value: *known[name][number-1].Value,
			Type: "SecureString", Version: number, Selector: selector})
	}
	return out, nil
}

type getSecretValueInput struct{ SecretId, VersionStage, VersionId string }

func (d *Data) getSecretValue(in *getSecretValueInput) (any, error) {
	known, err := d.secrets()
	if err != nil {
		return nil, err
	}
	name, has := d.secretName(in.SecretId, known)
	if !has {
		return nil, ecs.Errorf("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	v, err := pickSecret(known[name], in.VersionId, in.VersionStage)
	if err != nil {
		return nil, err
	}
	return map[string]any{"ARN": d.secretARN(name), "Name": name, "SecretString": textOf(v.Value), "VersionId": v.ID, "VersionStages": v.Stages}, nil
}

type getAuthorizationTokenInput struct{}

func (d *Data) getAuthorizationToken(*getAuthorizationTokenInput) (any, error) {
	r, err := d.Registry()
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, ecs.Errorf("ServerException", "local-ecs has no registry that stands in for Amazon ECR: write registry.json.")
	}
	return map[string]any{"authorizationData": []any{map[string]any{
		"authorizationToken": base64.StdEncoding.EncodeToString([]byte(r.Username + ":" + r.Password)),
		"proxyEndpoint":      "http://" + r.Address,
		"expiresAt":          d.Now().Add(tokenLife).Unix(),
	}}}, nil
}
