import subprocess, sys, time
def main():
    p=subprocess.Popen(["seq",sys.argv[1]],stdout=subprocess.PIPE,text=True,bufsize=1<<16)
    begin=time.perf_counter();lines=length=0
    for line in p.stdout:
        line=line.rstrip("\n");lines+=1;length+=len(line)
    print(lines,length,int((time.perf_counter()-begin)*1e6))
main()
