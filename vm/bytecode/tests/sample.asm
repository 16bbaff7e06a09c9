image sample
capability exec:systemctl
capability logpool:write:*
needs fn0 exec:/usr/lib/checks/*
lowlevel System.startDVMStat
source0 sample.ds 0707070707070707
source1 std/system.ds 0707070707070707
recover task sample(int n = fn5) fn0 undo fn6 D-Case "G1"
monitor task watch(int n) fn0
scenario Care(int n = fn5) state0
  selector Text("role=cache,zone=eu-*")
  guard GuardRule { most: Count(Param(param0)), per: None }
  guard GuardRule { most: Percent(Constant(10)), per: Some(Constant(1000000000)) }
  state0 Healthy Watch { monitors: [Monitor { call: Call { task: task1, args: [Some(Argument { function: fn8, text: "n + 1" })] }, every: Constant(1000000000), failing: Param(param0), within: Constant(1000000000) }], queries: [Query { key: Argument { function: fn9, text: "node" }, aggregate: Percentile(999), field: Some("wa"), over: Constant(1000000000), comparison: Greater, value: Argument { function: fn10, text: "n" }, to: state1 }], failure: Edge { to: state1, after: None } }
  state1 Repair Run { steps: [Step { call: Call { task: task0, args: [None] }, within: Constant(1000000000), retry: Some(Retry { times: Constant(3), pause: Some(Constant(1000000000)) }), verify: Some(Verify { call: Call { task: task1, args: [Some(Argument { function: fn8, text: "n + 1" })] }, lasting: Some(Constant(1000000000)) }), at_controller: true, with_approval: true }], success: Edge { to: state0, after: Some(Constant(1000000000)) }, failure: Edge { to: state2, after: None } }
  state2 GivenUp Final { steps: [] }
signature ed25519
type0 void
type1 int
type2 double
type3 boolean
type4 Duration
type5 String
type6 Bytes
type7 enum Fault {SYSTEM, SOFTWARE, USER, EXTERNAL}
type8 Set<Fault>
type9 Map<String, String>
type10 record Position(String file, int line, int column)
type11 record Error(String code, String message, Set<Fault> fault, Error? cause, Position position, Map<String, String> data) (the error type)
type12 Error?
type13 List<int>
type14 List<String>
type15 int?
type16 List<int?>
type17 (int) -> int
type18 closure fn1 as (int) -> int captures (int, String)
type19 interface Shape {double area()}
type20 record Circle(double radius, String? label) implements Shape {fn2} toString fn3
type21 class Counter(int count, int? last, String label, String? note)
type22 String?
type23 handle Subprocess
type24 void!
const0 "hello \"you\""
const1 2 bytes
native0 print<String>(String) -> ()
static0 String = fn4
default Position.file = fn4
script0 fix.sh 10 bytes

fn0 everything(int) -> (boolean, Error?)
  scalars s0 int, s1 int, s2 double, s3 boolean
  refs r0 String, r1 String?, r2 List<int>, r3 List<String>, r4 Circle, r5 Counter, r6 (int) -> int, r7 Shape, r8 int?, r9 List<int?>, r10 Error?, r11 Bytes, r12 fn1 as (int) -> int
  ; sample.ds:1:1
     0  move.s s0 -> s1
     1  int -7 -> s1
     2  double 0.5 -> s2
     3  bool true -> s3
  ; sample.ds:2:5
     4  const "hello \"you\"" -> r0
     5  const const1 -> r11
     6  move.r r0 -> r1
     7  unwrap r1 -> r0
     8  null -> r1
     9  null -> r10
    10  add.i s0, s1 -> s1 ; TimeDuration
    11  sub.i s0, s1 -> s1
    12  mul.i s0, s1 -> s1 ; DurationInt
    13  div.i s0, s1 -> s1
    14  rem.i s0, s1 -> s1
    15  neg.i s0 -> s1
    16  add.imm s0, -9223372036854775808 -> s1
    17  and.i s0, s1 -> s1
    18  or.i s0, s1 -> s1
    19  xor.i s0, s1 -> s1
    20  not.i s0 -> s1
    21  shl.i s0, s1 -> s1
    22  shr.i s0, s1 -> s1
    23  ushr.i s0, s1 -> s1
    24  add.d s2, s2 -> s2
    25  sub.d s2, s2 -> s2
    26  mul.d s2, s2 -> s2
    27  div.d s2, s2 -> s2
    28  rem.d s2, s2 -> s2
    29  neg.d s2 -> s2
    30  i2d s0 -> s2
    31  d2i s2 -> s1
    32  eq.i s0, s1 -> s3
    33  lt.i s0, s1 -> s3
    34  le.i s0, s1 -> s3
    35  eq.d s2, s2 -> s3
    36  lt.d s2, s2 -> s3
    37  le.d s2, s2 -> s3
    38  eq.b s3, s3 -> s3
    39  not.b s3 -> s3
    40  same r0, r1 -> s3
    41  is.null r1 -> s3
    42  eq.v r0, r1, String -> s3
    43  new Circle, s2, r1 -> r4
    44  new Counter, s0, s3, s1, r0, r1 -> r5
    45  new fn1 as (int) -> int, s0, r0 -> r12
    46  new int?, s3, s0 -> r8
    47  move.r r12 -> r6
    48  move.r r4 -> r7
    49  get.s r5, .2 last -> s1
    50  get.r r5, .1 note -> r1
    51  set.s r5, .1 last, s3
    52  set.r r5, .1 note, r0
    53  instance.of r7, Circle -> s3
    54  narrow r7, Circle -> r4
    55  list.new List<int>, 4 -> r2
    56  list.new List<String>, 0 -> r3
    57  list.new List<int?>, 1 -> r9
    58  list.add.s r2, s0
    59  list.add.r r9, r8
    60  list.size r2 -> s1
    61  list.get.s r2, s0 -> s1
    62  list.get.r r3, s0 -> r0
    63  list.set.s r2, s0, s1
    64  list.set.r r3, s0, r0
    65  version r2 -> s1
    66  check.version r2, s1
    67  concat r0, r0 -> r1
    68  text.s s0, Duration -> r0
    69  text.r r2, List<int> -> r0
    70  call fn2 Circle.area, r4 -> s2
    71  call.native native0 print, r0
    72  call.value r6, s0 -> s1
    73  call.method r4, Shape, method0 -> s2
    74  get.static static0 -> r0
    75  limit.enter s0, @93
    76  jump @77
@77 {s0, s1, s2, s3, r1, r10}
  ; std/system.ds:3:9
    77  if s3, @96
    78  if.not s3, @96
    79  if.eq.i s0, s1, @96
    80  if.ne.i s0, s1, @96
    81  if.lt.i s0, s1, @96
    82  if.le.i s0, s1, @96
    83  if.eq.d s2, s2, @96
    84  if.ne.d s2, s2, @96
    85  if.lt.d s2, s2, @96
    86  if.le.d s2, s2, @96
    87  if.nlt.d s2, s2, @96
    88  if.nle.d s2, s2, @96
    89  if.null r1, @96
    90  if.some r1, @96
    91  limit.leave
    92  switch s0, -1, @77, @96, @93
@93 {s3, r10}
    93  if s3, @96
    94  const "hello \"you\"" -> r0
    95  trap.text assert, r0
@96 {s3, r10}
    96  return s3, r10

fn1 lambda(fn1 as (int) -> int, int) -> (int)
  scalars s0 int
  refs r0 fn1 as (int) -> int
     0  get.s r0, .0 -> s0
     1  return s0

fn2 Circle.area(Circle) -> (double)
  scalars s0 double
  refs r0 Circle
     0  get.s r0, .0 radius -> s0
     1  return s0

fn3 Circle.toString(Circle) -> (String)
  refs r0 Circle, r1 String
     0  const "hello \"you\"" -> r1
     1  return r1

fn4 GREETING() -> (String)
  refs r0 String
     0  const "hello \"you\"" -> r0
     1  return r0

fn5 default() -> (int)
  scalars s0 int
     0  int 3 -> s0
     1  return s0

fn6 undo(int) -> (Error?)
  scalars s0 int
     0  trap index, "hello \"you\""

fn7 probe(int, double, boolean, String, String?, List<int>, List<String>, Circle, Counter, (int) -> int, Shape, int?, Counter?, Shape?, Bytes, fn1 as (int) -> int, List<int>?, Map<String, String>, Subprocess, ((int) -> int)?) -> ()
  scalars s0 int, s1 double, s2 boolean, s3 int
  refs r0 String, r1 String?, r2 List<int>, r3 List<String>, r4 Circle, r5 Counter, r6 (int) -> int, r7 Shape, r8 int?, r9 Counter?, r10 Shape?, r11 Bytes, r12 fn1 as (int) -> int, r13 List<int>?, r14 Map<String, String>, r15 Subprocess, r16 ((int) -> int)?, r17 String
     0  return

fn8 int of a scenario(int, String) -> (int)
  scalars s0 int
  refs r0 String
     0  return s0

fn9 text of a scenario(int, String) -> (String)
  scalars s0 int
  refs r0 String
     0  return r0

fn10 double of a scenario(int, String) -> (double)
  scalars s0 int, s1 double
  refs r0 String
     0  i2d s0 -> s1
     1  return s1
