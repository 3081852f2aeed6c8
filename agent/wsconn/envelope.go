package wsconn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrFormat says that a message is in none of the forms of the protocol.
//
//lint:ignore ST1005 the text is part of the contract
var ErrFormat = errors.New("Could not decode message into any expected format")

// errNoBody says that an envelope lacks its message member.
var errNoBody = errors.New("the envelope has no message")

// Message is an envelope: {"type":"…","message":{…}}.
type Message struct {
	Type string `json:"type"`
	// Body is the JSON of the message member; the word null is possible.
	Body json.RawMessage `json:"message"`
}

// Decode opens an envelope. An object with a single member whose name is one of errorTypes and whose value is a string,
// {"ServerException":"text"}, counts as that error.
func Decode(data []byte, errorTypes []string) (Message, error) {
	var m Message
	if err := json.Unmarshal(data, &m); err != nil {
		return Message{}, ErrFormat
	}
	if m.Type != "" {
		if m.Body == nil {
			return Message{Type: m.Type}, errNoBody
		}
		return m, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || len(members) != 1 {
		return Message{}, ErrFormat
	}
	for name, value := range members {
		var text *string
		if slices.Contains(errorTypes, name) && json.Unmarshal(value, &text) == nil && text != nil {
			body, err := json.Marshal(map[string]string{"message": *text})
			return Message{Type: name, Body: body}, err
		}
	}
	return Message{}, ErrFormat
}

// Encode makes an envelope around a message.
func Encode(messageType string, message any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(struct {
		Type    string `json:"type"`
		Message any    `json:"message"`
	}{messageType, message}); err != nil {
		return nil, fmt.Errorf("encode %s: %w", messageType, err)
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

// ServiceError is an error that the service sent, instead of an upgrade or as a message.
type ServiceError struct {
	Type string
	// Message is nil when the service gave none.
	Message *string
}

func (e *ServiceError) Error() string {
	text := "null"
	if e.Message != nil {
		text = strings.TrimSpace(*e.Message)
	}
	return e.Type + ": " + text
}

// ServiceError returns the service error the message is; false when its type is none of errorTypes.
func (m Message) ServiceError(errorTypes []string) (*ServiceError, bool) {
	if !slices.Contains(errorTypes, m.Type) {
		return nil, false
	}
	var body struct{ Message *string }
	if err := json.Unmarshal(m.Body, &body); err != nil {
		return nil, false
	}
	return &ServiceError{Type: m.Type, Message: body.Message}, true
}
