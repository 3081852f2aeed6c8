package acs

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/agent/logger"
)

// Updates says how the agent takes new versions of itself from the service. The zero value refuses them.
type Updates struct {
	Enabled bool
	// Staging keeps the downloaded images; needed when Enabled.
	Staging *Staging
	// Perform ends the agent, so that the staged image is started in its place: final save and exit code 42. It is called
	// at most once, after the order was acknowledged. Needed when Enabled.
	Perform func()
}

// performAckTimeout is how long the ending waits for the acknowledgement to be written.
const performAckTimeout = 10 * time.Second

// updaterLimit is how many update messages may wait.
const updaterLimit = 16

// updater obeys update messages. It owns the download in progress, if there is one:
//
//	idle ──stage──► downloading ──► downloaded ──perform──► exit
//	  ▲                  │ failed
//	  └──────────────────┘
//
// The state lives as long as the process; a staged image is found again by its hash.
type updater struct {
	config  Updates
	answer  func(kind string, message any)
	deliver func(ctx context.Context, kind string, message any) error

	inbox chan received
	done  chan download

	current *update // nil: idle
}

// update is what is being staged or has been.
type update struct {
	signature  string
	order      updateMessage // the message that asked for it
	cancel     context.CancelFunc
	downloaded bool
}

// download is the result of one.
type download struct {
	of  *update
	err error
}

func newUpdater(config Updates, answer func(string, any), deliver func(context.Context, string, any) error) *updater {
	return &updater{
		config: config, answer: answer, deliver: deliver,
		inbox: make(chan received, updaterLimit), done: make(chan download),
	}
}

func isUpdate(r received) bool {
	switch r.body.(type) {
	case *stageUpdateMessage, *performUpdateMessage:
		return true
	}
	return false
}

// put queues a message; false when there is no room.
func (u *updater) put(r received) bool {
	select {
	case u.inbox <- r:
		return true
	default:
		return false
	}
}

// run handles update messages until ctx ends.
func (u *updater) run(ctx context.Context) {
	for {
		select {
		case r := <-u.inbox:
			switch m := r.body.(type) {
			case *stageUpdateMessage:
				u.stage(ctx, m.updateMessage)
			case *performUpdateMessage:
				u.perform(ctx, m.updateMessage)
			}
		case d := <-u.done:
			u.finish(d)
		case <-ctx.Done():
			if u.current != nil && !u.current.downloaded {
				<-u.done // the download has the same context
			}
			return
		}
	}
}

func (u *updater) stage(ctx context.Context, m updateMessage) {
	if m.MessageID == "" {
		rejected("StageUpdateMessage", errNoMessageID)
		return
	}
	if reason := u.refusal(m); reason != "" {
		u.nack(m, reason)
		u.drop()
		return
	}
	signature := strings.TrimSpace(*m.Info.Signature)
	if u.current != nil {
		if u.current.signature == signature {
			u.ack(m)
			return
		}
		u.nack(u.current.order, "New update arrived: "+m.MessageID)
		u.drop()
	}
	if u.config.Staging.Holds(signature) {
		u.current = &update{signature: signature, order: m, cancel: func() {}, downloaded: true}
		u.ack(m)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	started := &update{signature: signature, order: m, cancel: cancel}
	u.current = started
	location := *m.Info.Location
	logger.Info("Downloading an update of the agent", logger.F("messageID", m.MessageID))
	go func() { u.done <- download{started, u.config.Staging.Fetch(ctx, location, signature)} }()
}

// refusal says why an update is not even begun; empty when it is.
func (u *updater) refusal(m updateMessage) string {
	switch {
	case !u.config.Enabled:
		return "Updates are disabled"
	case m.Info == nil:
		return "Invalid update: no update info given"
	case m.Info.Location == nil || *m.Info.Location == "":
		return "Invalid update: no location given"
	case m.Info.Signature == nil || strings.TrimSpace(*m.Info.Signature) == "":
		return "Invalid update: no signature given"
	}
	return ""
}

// drop forgets the present update. A download in progress is ended first.
func (u *updater) drop() {
	if u.current == nil {
		return
	}
	u.current.cancel()
	if !u.current.downloaded {
		<-u.done
	}
	u.current = nil
}

// finish takes the result of the present download.
func (u *updater) finish(d download) {
	d.of.cancel()
	if d.err != nil {
		u.current = nil
		if errors.Is(d.err, context.Canceled) {
			return // the agent is ending
		}
		u.nack(d.of.order, "Unable to download: "+d.err.Error())
		return
	}
	d.of.downloaded = true
	u.ack(d.of.order)
}

func (u *updater) perform(ctx context.Context, m updateMessage) {
	if !u.config.Enabled {
		u.nack(m, "Updates are disabled")
		return
	}
	if !u.ready(m) {
		u.nack(m, "Cannot perform update; update not downloaded")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, performAckTimeout)
	defer cancel()
	if err := u.deliver(ctx, "AckRequest", ackOf(m)); err != nil {
		logger.Warn("Could not acknowledge the order to update; updating nevertheless", logger.Err(err))
	}
	logger.Info("Ending for an update of the agent", logger.F("messageID", m.MessageID))
	u.config.Perform()
}

// ready reports whether there is an update to be performed: one staged by this process, or the one the order names, staged
// before the agent was restarted.
func (u *updater) ready(m updateMessage) bool {
	if u.current != nil {
		return u.current.downloaded
	}
	return m.Info != nil && m.Info.Signature != nil && u.config.Staging.Holds(strings.TrimSpace(*m.Info.Signature))
}

func (u *updater) ack(m updateMessage) { u.answer("AckRequest", ackOf(m)) }

func ackOf(m updateMessage) ackRequest {
	return ackRequest{Cluster: m.ClusterARN, ContainerInstance: m.ContainerInstanceARN, MessageID: m.MessageID}
}

func (u *updater) nack(m updateMessage, reason string) {
	logger.Error("Update of the agent refused or failed", logger.F("messageID", m.MessageID), logger.F("reason", reason))
	u.answer("NackRequest", nackRequest{
		Cluster: m.ClusterARN, ContainerInstance: m.ContainerInstanceARN, MessageID: m.MessageID, Reason: reason,
	})
}
