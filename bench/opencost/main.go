// Splits idle costs by OpenCost's own code, over the stream of usage that bench/opencost.ts makes as well:
//
//	go run . [records] [tenants]
//
// It prints JSON: seconds, and the cost of each tenant with its part of what was idle.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/opencost/opencost/pkg/kubecost"
)

const cluster = "cluster-one"

// hours of one record, and whose they are: a linear congruential generator (Numerical Recipes).
func stream(records, tenants int, each func(at, tenant int, hours float64)) {
	state := uint32(1)
	for at := 0; at < records; at++ {
		state = state*1_664_525 + 1_013_904_223
		each(at, int(state)%tenants, float64(1+(state>>12)))
	}
}

func number(at int, otherwise int) int {
	if len(os.Args) <= at {
		return otherwise
	}
	found, err := strconv.Atoi(os.Args[at])
	if err != nil {
		panic(err)
	}
	return found
}

func main() {
	records, tenants := number(1, 1_000_000), number(2, 1_000)
	var used [3]float64
	stream(records, tenants, func(at, _ int, hours float64) { used[at%3] += hours })
	// Half as much again as was used is there, and the bill is of all of it.
	var price, idle [3]float64
	for resource := range used {
		bill := 70_000.000000001 * float64(resource+1)
		price[resource] = bill / (used[resource] * 1.5)
		idle[resource] = bill - used[resource]*price[resource]
	}
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	end := start.Add(24 * time.Hour)
	began := time.Now()
	allocation := func(name string, of *kubecost.AllocationProperties, cost [3]float64) *kubecost.Allocation {
		return &kubecost.Allocation{
			Name: name, Properties: of, Start: start, End: end, Window: kubecost.NewClosedWindow(start, end),
			CPUCost: cost[0], GPUCost: cost[1], RAMCost: cost[2],
		}
	}
	set := kubecost.NewAllocationSet(start, end)
	add := func(one *kubecost.Allocation) {
		if err := set.Set(one); err != nil {
			panic(err)
		}
	}
	stream(records, tenants, func(at, tenant int, hours float64) {
		var cost [3]float64
		cost[at%3] = hours * price[at%3]
		namespace := "use-case-" + strconv.Itoa(tenant)
		pod := "pod-" + strconv.Itoa(at)
		add(allocation(cluster+"/node/"+namespace+"/"+pod, &kubecost.AllocationProperties{
			Cluster: cluster, Node: "node", Namespace: namespace, Pod: pod, Container: "main",
		}, cost))
	})
	add(allocation(cluster+"/"+kubecost.IdleSuffix, &kubecost.AllocationProperties{Cluster: cluster}, idle))
	built := time.Since(began).Seconds()
	options := &kubecost.AllocationAggregationOptions{ShareIdle: kubecost.ShareWeighted}
	if err := set.AggregateBy([]string{kubecost.AllocationNamespaceProp}, options); err != nil {
		panic(err)
	}
	took := time.Since(began).Seconds()
	costs := map[string]float64{}
	for name, one := range set.Allocations {
		costs[name] = one.TotalCost()
	}
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	text, err := json.Marshal(map[string]any{
		"seconds": took, "built": built, "costs": costs, "total": set.TotalCost(), "peakMiB": usage.Maxrss / 1024,
		"cpuSeconds": float64(usage.Utime.Sec+usage.Stime.Sec) + float64(usage.Utime.Usec+usage.Stime.Usec)/1e6,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}
