//! Duration and Time: both are nanoseconds in a scalar register.

use super::natives;
use crate::format;

natives! {
    "Duration.ofNanos" "(int) -> Duration" |call| call.give_int(call.int(0));
    "Duration.nanos" "(Duration) -> int" |call| call.give_int(call.int(0));
    "Duration.millis" "(Duration) -> int" |call| call.give_int(call.int(0) / 1_000_000);
    "Duration.seconds" "(Duration) -> double" |call| call.give_double(call.int(0) as f64 / 1e9);
    "Duration.parse" "(String) -> Duration?" |call| {
        let value = format::parse_duration(&call.text(0));
        call.give_optional(value.map(|v| v as u64))
    };
    "Time.ofNanos" "(int) -> Time" |call| call.give_int(call.int(0));
    "Time.nanos" "(Time) -> int" |call| call.give_int(call.int(0));
    "Time.parse" "(String) -> Time?" |call| {
        let value = format::parse_time(&call.text(0));
        call.give_optional(value.map(|v| v as u64))
    };
}
