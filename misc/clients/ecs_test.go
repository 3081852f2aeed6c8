package clients

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/aws/amazon-ecs-agent/misc/local-ecs/agenttest"
)

// The AWS SDK works unchanged, waiters included.
func TestSDK(t *testing.T) {
	p := startControl(t)
	a := agenttest.New(t, p.Endpoint)
	a.Identity = `{"instanceId":"i-1"}`
	a.Register()
	a.Connect()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	c := sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &p.Endpoint, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})

	defined, err := c.RegisterTaskDefinition(ctx, &sdk.RegisterTaskDefinitionInput{Family: aws.String("web"), ContainerDefinitions: []types.ContainerDefinition{{
		Name: aws.String("web"), Image: aws.String("x"), Memory: aws.Int32(64), PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(80)}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if defined.TaskDefinition.RegisteredAt == nil || time.Since(*defined.TaskDefinition.RegisteredAt) > time.Minute {
		t.Errorf("registeredAt %v", defined.TaskDefinition.RegisteredAt)
	}
	ran, err := c.RunTask(ctx, &sdk.RunTaskInput{TaskDefinition: aws.String("web")})
	if err != nil || len(ran.Tasks) != 1 {
		t.Fatal(ran, err)
	}
	describe := &sdk.DescribeTasksInput{Tasks: []string{*ran.Tasks[0].TaskArn}}
	fast := func(o *sdk.TasksRunningWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
	}
	if err := sdk.NewTasksRunningWaiter(c, fast).Wait(ctx, describe, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	found, err := c.DescribeTasks(ctx, describe)
	if err != nil {
		t.Fatal(err)
	}
	task := found.Tasks[0]
	if task.StartedAt == nil || len(task.Containers[0].NetworkBindings) != 1 || *task.Containers[0].NetworkBindings[0].HostPort != 32768 {
		t.Errorf("%+v", task)
	}
	instances, err := c.DescribeContainerInstances(ctx, &sdk.DescribeContainerInstancesInput{ContainerInstances: []string{a.Arn}})
	if err != nil {
		t.Fatal(err)
	}
	if i := instances.ContainerInstances[0]; !i.AgentConnected || i.RunningTasksCount != 1 || *i.Ec2InstanceId != "i-1" || len(i.RemainingResources) != 4 {
		t.Errorf("%+v", i)
	}
	if _, err := c.StopTask(ctx, &sdk.StopTaskInput{Task: task.TaskArn, Reason: aws.String("enough")}); err != nil {
		t.Fatal(err)
	}
	stopped := func(o *sdk.TasksStoppedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
	}
	if err := sdk.NewTasksStoppedWaiter(c, stopped).Wait(ctx, describe, 10*time.Second); err != nil {
		t.Fatal(err)
	}

	if _, err := c.CreateService(ctx, &sdk.CreateServiceInput{ServiceName: aws.String("s"), TaskDefinition: aws.String("web"), DesiredCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	stable := func(o *sdk.ServicesStableWaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 50*time.Millisecond
	}
	if err := sdk.NewServicesStableWaiter(c, stable).Wait(ctx, &sdk.DescribeServicesInput{Services: []string{"s"}}, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	pages := sdk.NewListTasksPaginator(c, &sdk.ListTasksInput{MaxResults: aws.Int32(1)})
	n := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.TaskArns)
	}
	if n != 2 {
		t.Errorf("%d tasks", n)
	}
	_, err = c.ListTasks(ctx, &sdk.ListTasksInput{Cluster: aws.String("nope")})
	if e := (*types.ClusterNotFoundException)(nil); !errors.As(err, &e) {
		t.Errorf("unknown cluster: %v", err)
	}
}
