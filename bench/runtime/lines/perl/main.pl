use Time::HiRes qw(time);
my ($lines, $length) = (0, 0);
open(my $p, "-|", "seq", $ARGV[0]) or die;
my $begin = time;
while (my $line = <$p>) { chomp $line; $lines++; $length += length $line; }
printf "%d %d %d\n", $lines, $length, (time - $begin) * 1e6;
