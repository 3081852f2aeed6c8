package awsclient

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// QueryClient speaks the AWS Query protocol of EC2 and STS: a form in, XML out.
type QueryClient struct {
	Client
	// Version is the API version sent with each call.
	Version string
}

// Call sends params, of which Action names the operation, and decodes the XML answer into out.
func (q *QueryClient) Call(ctx context.Context, params url.Values, out any, retries Retries) error {
	operation := params.Get("Action")
	params.Set("Version", q.Version)
	a, err := q.do(ctx, request{
		operation:  operation,
		header:     http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		body:       []byte(params.Encode()),
		retries:    retries,
		parseError: parseQueryError,
		onRetry: func(n int, err error) {
			logger.Debug("AWS call failed; trying again", logger.F("operation", operation), logger.F("attempt", n), logger.Err(err))
		},
	})
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("%s: decode answer: %w", operation, err)
	}
	return nil
}

// parseQueryError reads both forms of an error answer: EC2's Response>Errors>Error and ErrorResponse>Error.
func parseQueryError(a answer) *APIError {
	type item struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	var doc struct {
		EC2        []item `xml:"Errors>Error"`
		Common     item   `xml:"Error"`
		RequestID  string `xml:"RequestID"`
		RequestID2 string `xml:"RequestId"`
	}
	_ = xml.Unmarshal(a.body, &doc) // not XML: the status says what there is to say
	e := doc.Common
	if len(doc.EC2) > 0 {
		e = doc.EC2[0]
	}
	return &APIError{Code: e.Code, Message: e.Message, RequestID: doc.RequestID + doc.RequestID2}
}
