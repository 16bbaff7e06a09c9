import subprocess, sys, time
n=int(sys.argv[1]);good=0;begin=time.perf_counter()
for _ in range(n): good+=subprocess.run(["true"]).returncode==0
print(good,0,int((time.perf_counter()-begin)*1e6))
