package volumes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/amazon-ecs-agent/ecs-init/command"
	"github.com/aws/amazon-ecs-agent/ecs-init/log"
)

// mountRunner runs mount and umount.
type mountRunner = command.Run

// mounter mounts and unmounts file systems.
type mounter struct {
	run mountRunner
	// table gives the text of the mount table (mountinfo).
	table func() (string, error)
}

// mount mounts v on its path. When it fails, nothing is mounted.
func (m mounter) mount(ctx context.Context, v *volume) error {
	arguments, err := mountArguments(v)
	if err != nil {
		return err
	}
	_, err = m.run(ctx, "mount", arguments...)
	if err == nil {
		return nil
	}
	if mounted, _ := m.mounted(v.path); mounted && ctx.Err() != nil {
		// The program was killed for taking too long, after it had done the essential.
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupLimit)
		defer cancel()
		if err := m.unmount(undo, v.path); err != nil {
			log.Errorf("could not undo a mount that took too long: %v", err)
		}
	}
	return fmt.Errorf("mounting volume failed: %s", reason(err))
}

// cleanupLimit is for undoing a mount after the time for it is over.
const cleanupLimit = 5 * time.Second

func mountArguments(v *volume) ([]string, error) {
	device := v.options[optionDevice]
	var missing []string
	if device == "" {
		missing = append(missing, optionDevice)
	}
	if v.path == "" {
		missing = append(missing, optionTarget)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("missing required fields: [%s]", strings.Join(missing, ","))
	}
	for _, word := range []string{device, v.path} {
		if strings.HasPrefix(word, "-") {
			return nil, fmt.Errorf("mounting volume failed: %q is neither a device nor a path", word)
		}
	}
	var arguments []string
	if kind := v.options[optionType]; kind != "" {
		arguments = append(arguments, "-t", kind)
	}
	if options := v.options[optionMount]; options != "" {
		arguments = append(arguments, "-o", options)
	}
	return append(arguments, device, v.path), nil
}

// unmount detaches what is mounted on path; nothing is fine. It is lazy because the network of a task may be gone by
// now, and NFS would wait for it for ever.
func (m mounter) unmount(ctx context.Context, path string) error {
	_, err := m.run(ctx, "umount", "-l", path)
	if err == nil {
		return nil
	}
	text := reason(err)
	if strings.Contains(text, "not mounted") || strings.Contains(text, "no mount point specified") {
		return nil
	}
	return fmt.Errorf("unmounting volume failed: %s", text)
}

// reason is what the program said, or how it failed when it said nothing or was killed.
func reason(err error) string {
	var failed *command.Error
	if !errors.As(err, &failed) || failed.Said() == "" {
		return err.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "it took too long: " + failed.Said()
	}
	return failed.Said()
}

// mounted looks path up in the mount table; known is false when that is not possible.
func (m mounter) mounted(path string) (mounted, known bool) {
	table, err := m.table()
	if err != nil {
		log.Warnf("could not read the mount table: %v", err)
		return false, false
	}
	// Only the directory is looked into: touching a dead NFS mount itself would hang.
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	for line := range strings.Lines(table) {
		// Ids, device and root come first, the mount point is in column 5.
		columns := strings.Fields(line)
		if len(columns) > 4 && unescape(columns[4]) == path {
			return true, true
		}
	}
	return false, true
}

// unescape undoes what mountinfo does to blanks and backslashes in paths: \040 and the like.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

func readMountTable() (string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	return string(table), err
}
