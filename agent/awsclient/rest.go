package awsclient

import (
	"context"
	"encoding/xml"
	"io"
	"net/http"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// RESTClient speaks the REST protocol of Amazon S3: methods on paths, errors in XML.
type RESTClient struct {
	Client
}

// RESTCall is one logical call of a [RESTClient].
type RESTCall struct {
	Operation string
	// Method is GET or HEAD; Path is escaped and begins with "/".
	Method, Path string
	Retries      Retries
	// Body takes the body of a successful answer as it comes, once per attempt; nil reads and drops it.
	Body func(io.Reader) error
}

// Call sends c and returns the header of the answer, also of an error answer. Error answers are [*APIError]s.
func (r *RESTClient) Call(ctx context.Context, c RESTCall) (http.Header, error) {
	var refused http.Header
	a, err := r.do(ctx, request{
		operation: c.Operation, method: c.Method, path: c.Path, retries: c.Retries, sink: c.Body,
		parseError: func(a answer) *APIError {
			refused = a.header
			return parseRESTError(a)
		},
		onRetry: func(n int, err error) {
			logger.Debug("AWS call failed; trying again", logger.F("operation", c.Operation), logger.F("attempt", n), logger.Err(err))
		},
	})
	if err != nil {
		return refused, err
	}
	return a.header, nil
}

// parseRESTError reads the error document. Answers to HEAD have none: their status is the code.
func parseRESTError(a answer) *APIError {
	var doc struct {
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
		HostID    string `xml:"HostId"`
	}
	_ = xml.Unmarshal(a.body, &doc) // not XML: the status says what there is to say
	e := &APIError{Code: doc.Code, Message: doc.Message, RequestID: doc.RequestID, HostID: doc.HostID}
	if e.RequestID == "" {
		e.RequestID = a.header.Get("X-Amz-Request-Id")
	}
	if e.HostID == "" {
		e.HostID = a.header.Get("X-Amz-Id-2")
	}
	if e.Code == "" {
		switch a.status {
		case http.StatusNotFound:
			e.Code, e.Message = "NotFound", "Not Found"
		case http.StatusForbidden:
			e.Code, e.Message = "Forbidden", "Forbidden"
		case http.StatusMovedPermanently, http.StatusTemporaryRedirect:
			e.Code, e.Message = "MovedPermanently", "Moved Permanently"
		case http.StatusBadRequest:
			e.Code, e.Message = "BadRequest", "Bad Request"
		}
	}
	return e
}
