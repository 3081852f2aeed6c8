package awsclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// JSONClient speaks AWS JSON 1.1: POST / with the operation in X-Amz-Target.
type JSONClient struct {
	Client
	// TargetPrefix comes before the operation in X-Amz-Target, for example "AmazonEC2ContainerServiceV20141113".
	TargetPrefix string
}

// Call is one logical call of a [JSONClient].
type Call struct {
	Operation string
	// In is encoded as the body. Out may be nil when the answer does not matter.
	In, Out any
	Retries Retries
	// Credentials and UserAgent replace those of the client when set.
	Credentials CredentialsProvider
	UserAgent   string
}

// Call sends c and decodes the answer. Error answers are [*APIError]s.
func (j *JSONClient) Call(ctx context.Context, c Call) error {
	body, err := encodeJSON(c.In)
	if err != nil {
		return fmt.Errorf("%s: encode request: %w", c.Operation, err)
	}
	a, err := j.do(ctx, request{
		operation: c.Operation,
		header: http.Header{
			"Content-Type": {"application/x-amz-json-1.1"},
			"X-Amz-Target": {j.TargetPrefix + "." + c.Operation},
		},
		body:        body,
		retries:     c.Retries,
		credentials: c.Credentials,
		userAgent:   c.UserAgent,
		parseError:  parseJSONError,
		onRetry: func(n int, err error) {
			logger.Debug("AWS call failed; trying again", logger.F("operation", c.Operation), logger.F("attempt", n), logger.Err(err))
		},
	})
	if err != nil || c.Out == nil {
		return err
	}
	if err := json.Unmarshal(a.body, c.Out); err != nil {
		return fmt.Errorf("%s: decode answer: %w", c.Operation, err)
	}
	return nil
}

// encodeJSON keeps <, > and & as they are.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// parseJSONError reads an error answer. The code is that of the header X-Amzn-ErrorType, else of the body's __type, else of
// the body's code.
func parseJSONError(a answer) *APIError {
	var doc struct {
		Type    string `json:"__type"`
		Code    any    `json:"code"`
		Message string `json:"message"` // "Message" matches as well
	}
	_ = json.Unmarshal(a.body, &doc) // not JSON: the status says what there is to say
	code, _ := doc.Code.(string)
	for _, c := range []string{a.header.Get("X-Amzn-Errortype"), doc.Type, code} {
		if c != "" {
			return &APIError{Code: bareCode(c), Message: doc.Message}
		}
	}
	return &APIError{Message: doc.Message}
}
