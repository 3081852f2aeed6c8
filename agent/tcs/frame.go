package tcs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/aws/amazon-ecs-agent/agent/wsconn"
)

// ErrorTypes are the errors TCS sends, in an answer to a connect or as a message.
var ErrorTypes = []string{"ServerException", "BadRequestException", "ResourceValidationException", "InvalidParameterException"}

// proofs are the messages that show that the service works.
var proofs = map[string]bool{"AckPublishMetric": true, "AckPublishHealth": true, "AckPublishInstanceStatus": true, "HeartbeatMessage": true}

// notices are messages that are only logged.
var notices = append([]string{"StopTelemetrySessionMessage"}, ErrorTypes...)

// excerptSize is how much of a message from outside goes to the log.
const excerptSize = 256

// decode gives the type of a message from the service and, of one that is only logged, its text.
func decode(data []byte) (kind, text string, err error) {
	m, err := wsconn.Decode(data, ErrorTypes)
	if err != nil && m.Type == "" {
		return "", "", fmt.Errorf("%w: %s", wsconn.ErrFormat, excerpt(data))
	}
	if !proofs[m.Type] && !slices.Contains(notices, m.Type) {
		//lint:ignore ST1005 the text is part of the contract
		return "", "", fmt.Errorf("Could not recognize given argument as a valid type: %s", excerpt([]byte(m.Type)))
	}
	var notice struct {
		Message string `json:"message"`
	}
	if !proofs[m.Type] && len(m.Body) > 0 && json.Unmarshal(m.Body, &notice) != nil {
		return "", "", fmt.Errorf("%w: %s", wsconn.ErrFormat, excerpt(data))
	}
	return m.Type, excerpt([]byte(notice.Message)), nil
}

func excerpt(data []byte) string {
	if len(data) > excerptSize {
		return string(bytes.ToValidUTF8(data[:excerptSize], nil)) + "…"
	}
	return string(data)
}

// envelope puts a request into {"type":"…","message":{…}}.
func envelope(kind string, body []byte) []byte {
	out := make([]byte, 0, len(body)+len(kind)+24)
	out = append(out, `{"type":"`...)
	out = append(out, kind...)
	out = append(out, `","message":`...)
	out = append(out, body...)
	return append(out, '}')
}

// frame is a message as the service takes it: the headers that sign the payload, by name, an empty line, the payload.
func frame(header http.Header, payload []byte) []byte {
	var out bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintf(&out, "%s: %s\r\n", name, header.Get(name))
	}
	out.WriteString("\r\n")
	out.Write(payload)
	return out.Bytes()
}
