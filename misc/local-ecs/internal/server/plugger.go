package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/control"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/ecs"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/lab"
	"github.com/aws/amazon-ecs-agent/misc/local-ecs/internal/state"
)

// plugPause is the time between two looks at the lab without news.
const plugPause = 5 * time.Second

// plugger gives live tasks their interfaces in the lab and takes those of ended tasks away, as EC2 does for ECS. What is to
// be there follows from the tasks alone.
type plugger struct {
	store   *state.Store
	control *control.Control
	log     *slog.Logger
	failing string // the last error, told once
}

func (p *plugger) run(ctx context.Context) {
	changed, stop := p.store.Watch()
	defer stop()
	look := time.NewTicker(plugPause)
	defer look.Stop()
	for {
		p.expire()
		p.arrange()
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-look.C:
		}
	}
}

// expire ends tasks whose interface did not come.
func (p *plugger) expire() {
	var ended []*state.Task
	p.store.View(func(tx *state.Tx) {
		ended = tx.Tasks.Where(func(t *state.Task) bool {
			return t.ENI != nil && !t.ENI.Attached && t.Live() && t.ENI.Until.Before(p.control.Now())
		})
	})
	if len(ended) == 0 {
		return
	}
	err := p.store.Update(func(tx *state.Tx) error {
		ended = p.control.Expire(tx)
		return nil
	})
	for _, t := range ended {
		p.log.Warn("network interface not seen by the agent in time", "task", t.ID[:12], "error", err)
	}
}

// arrange plugs and unplugs.
func (p *plugger) arrange() {
	var trunks, wanted []*state.ENI
	p.store.View(func(tx *state.Tx) {
		for _, i := range tx.Instances.All() {
			if i.Trunk != nil && i.Status != ecs.Inactive {
				trunks = append(trunks, i.Trunk)
			}
		}
		for _, t := range tx.Tasks.All() {
			if t.ENI != nil && t.Live() {
				wanted = append(wanted, t.ENI)
			}
		}
	})
	l, err := lab.Lab{}, error(lab.ErrNone)
	if p.control.Lab != nil {
		l, err = p.control.Lab()
	}
	if errors.Is(err, lab.ErrNone) && len(trunks)+len(wanted) == 0 {
		return
	}
	var plugged []string
	if err == nil {
		plugged, err = l.Plugged()
	}
	if err == nil {
		err = p.match(l, trunks, wanted, plugged)
	}
	if text := errorText(err); text != p.failing {
		p.failing = text
		if err != nil {
			p.log.Error("network interfaces of tasks cannot be made", "error", err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (p *plugger) match(l lab.Lab, trunks, wanted []*state.ENI, plugged []string) error {
	var errs []error
	for _, id := range plugged {
		is := func(e *state.ENI) bool { return e.Plug == id }
		if !slices.ContainsFunc(trunks, is) && !slices.ContainsFunc(wanted, is) {
			errs = append(errs, l.Unplug(id))
		}
	}
	for _, e := range trunks {
		if !slices.Contains(plugged, e.Plug) {
			errs = append(errs, plug(e, l.PlugTrunk))
		}
	}
	var branches []string
	for _, e := range wanted {
		there := slices.Contains(plugged, e.Plug)
		switch {
		case e.Attached:
			continue
		case e.Branch != nil && !there:
			err := l.PlugBranch(e.Plug, e.Branch.TrunkPlug, e.Branch.VLAN)
			errs, there = append(errs, err), err == nil
		case !there:
			errs = append(errs, plug(e, l.Plug))
		}
		if e.Branch != nil && there {
			branches = append(branches, e.Plug)
		}
	}
	if len(branches) > 0 {
		errs = append(errs, p.store.Update(func(tx *state.Tx) error {
			p.control.BranchesAreThere(tx, branches)
			return nil
		}))
	}
	return errors.Join(errs...)
}

// plug makes an interface of the host.
func plug(e *state.ENI, how func(id string, mac net.HardwareAddr) error) error {
	mac, err := net.ParseMAC(e.MAC)
	if err != nil {
		return err
	}
	return how(e.Plug, mac)
}
