package image

import (
	"errors"
	"regexp"

	"github.com/aws/amazon-ecs-agent/agent/task"
)

// layerURL is a pre-signed address of a layer in Amazon ECR: it carries a token.
var layerURL = regexp.MustCompile(`"?https[^\s]+starport-layer-bucket[^\s]+`)

// hints are put before texts that users often see and seldom understand.
var hints = []struct {
	text *regexp.Regexp
	hint string
}{
	{regexp.MustCompile(`denied: User: (.+) is not authorized to perform: ecr:BatchGetImage on resource`),
		"The task can’t pull the image. Check that the role has the permissions to pull images from the registry."},
	{regexp.MustCompile(`denied: requested access to the resource is denied`),
		"The task can’t pull the image. Check whether the image exists."},
	{regexp.MustCompile(`request canceled while waiting for connection`),
		"The task can’t pull the image. Check your network configuration."},
}

// redacted takes tokens out of an error about image before it is logged or reported. Errors without a name get name.
func redacted(err error, name, image string) *task.Error {
	var named *task.Error
	if !errors.As(err, &named) {
		named = task.NewError(name, err)
	}
	text := layerURL.ReplaceAllLiteralString(named.Message, "REDACTED ECR URL related to "+image)
	if text == named.Message {
		return named
	}
	return &task.Error{Name: named.Name, Message: text} // without the cause, which has the token
}

// hinted puts a hint before the text of a failed pull.
func hinted(err *task.Error) *task.Error {
	if err.Name != task.ErrCannotPullContainer && err.Name != task.ErrCannotPullECRContainer {
		return err
	}
	for _, h := range hints {
		if h.text.MatchString(err.Message) {
			return &task.Error{Name: err.Name, Message: h.hint + " " + err.Message, Cause: err.Cause}
		}
	}
	return err
}
